"""What an old tool has: a refresh token in its files, its vault, its keyring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.consents import consent

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator
from harness.keyring import Keyring
from harness.places import TESTS, VENV

OTHER_APP = "eeeeeeee-0000-4000-8000-00000000000f"
PASSWORD = "not-a-real-password-of-a-person"
APP_SECRET = "not-a-real-secret-of-the-old-tool"


def unknown_token(cli: Cli, emulator: Emulator) -> str:
    """A refresh token of admin@fabrikam.com that partnersam has never seen; the tenant has consented to the app."""
    consent(cli, emulator).expect()
    cli("revoke", "fabrikam.com", "--yes").expect()
    canary.know("the old tool", PASSWORD, APP_SECRET)
    return seeded(emulator)


def seeded(emulator: Emulator, **how: Any) -> str:
    given: str = emulator.seed_grants("admin@fabrikam.com", **how)[0]["refresh_token"]
    canary.know("the old tool", given)
    return given


def record(cli: Cli, step: str) -> list[dict[str, Any]]:
    """The lines of the audit record about a step of an import."""
    entries = [json.loads(line) for line in cli("audit", "show", "--json").expect().stdout.splitlines()]
    return [entry for entry in entries if entry.get("step") == step]


def env_file(home: Path, emulator: Emulator, token: str, **more: str) -> Path:
    fields = {
        "CSP_DOMAIN": "fabrikam.com",
        "ACCOUNT_ID": emulator.tenant()["id"],
        "APP_ID": emulator.app()["client_id"],
        "APP_SECRET": APP_SECRET,
        "MFA_METHOD": "manually",
        "REFRESH_TOKEN": token,
        **more,
    }
    file = home / ".env"
    file.write_text(
        "# of the old tool\r\n" + "".join(f'{name}="{value}"\r\n' for name, value in fields.items()) + "# end"
    )
    file.chmod(0o640)
    return file


def forms(emulator: Emulator, token: str) -> dict[str, str]:
    app, tenant = emulator.app()["client_id"], emulator.tenant()["id"]
    return {
        "token.txt": f"\ufeff{token}\r\n",
        "platform.json": json.dumps(
            {
                "CSP domain": "fabrikam.com",
                "Account ID": tenant,
                "App ID": app,
                "App secret": APP_SECRET,
                "MFA method": "Manually",
                "Refresh token": token,
            },
            indent=2,
        ),
        "platform.csv": f"CSP domain;Account ID;App ID;App secret;MFA method;Refresh token\nfabrikam.com;{tenant};{app};{APP_SECRET};manually;{token}\n",
        "platform.toml": f'[csp]\ndomain = "fabrikam.com"\napp_id = "{app}"\nrefresh_token = "{token}"\n',
        "Web.config": f'<configuration><appSettings><add key="ida:CSPApplicationId" value="{app}"/><add key="RefreshToken" value="{token}"/></appSettings></configuration>',
        "application.properties": f"partnercenter.accountId={tenant}\npartnercenter.clientId={app}\npartnercenter.clientSecret={APP_SECRET}\npartnercenter.refreshToken={token}\n",
        "saved.json": json.dumps({"AccessToken": "not-a-real-access-token", "RefreshToken": token, "TenantId": tenant}),
        "saved.xml": f'<Objs xmlns="http://schemas.microsoft.com/powershell/2004/04"><Obj><Props><S N="RefreshToken">{token}</S><S N="TenantId">{tenant}</S></Props></Obj></Objs>',
        "saved.txt": f"RefreshToken : {token[:40]}\r\n               {token[40:]}\r\nTenantId     : {tenant}\r\n",
        "ps_header.ps1": f"$ApplicationId = '{app}'\n$ApplicationSecret = '{APP_SECRET}'\n$TenantID = '{tenant}'\n$RefreshToken = '{token}'\n$ExchangeRefreshToken = 'not-a-real-exchange-token'\n",
    }


def keep(keyring: Keyring, service: str, user: str, secret: str) -> None:
    """As another tool files it."""
    program = Cli(keyring.home, keyring.env, (VENV / "bin" / "python", TESTS / "cli" / "keep_in_keyring.py"))
    program(service, user, stdin=secret).expect()
