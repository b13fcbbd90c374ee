"""Moving in: the forms that other tools keep a refresh token in, and what becomes of the old one."""

from __future__ import annotations

import fcntl
import html
import json
import random
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
from cli.consents import consent, status, until
from cli.terminal import Terminal

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator
from harness.keyring import Keyring
from harness.places import TESTS, VENV

OTHER_APP = "eeeeeeee-0000-4000-8000-00000000000f"
PASSWORD = "not-a-real-password-of-a-person"
APP_SECRET = "not-a-real-secret-of-the-old-tool"


@pytest.fixture
def token(cli: Cli, emulator: Emulator) -> str:
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


def test_every_form_moves_in_and_stays_as_it_is(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    for name, text in forms(emulator, token).items():
        file = home / name
        file.write_bytes(text.encode("utf-16") if name == "saved.xml" else text.encode())
        before = file.read_bytes()
        answer = cli("import", "fabrikam.com", "--for", "graph", "--file", file).expect()
        assert "MFA yes" in answer.stdout, name
        assert f"may be deleted now: {file}" in answer.stdout, name
        assert file.read_bytes() == before, name
        (grant,) = status(cli)
        assert grant["taints"] == ["imported"]
        cli("revoke", "fabrikam.com", "--yes").expect()


def test_every_form_is_purged_of_the_token_alone(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    for name, text in forms(emulator, token).items():
        file = home / name
        file.write_bytes(text.encode())
        answer = cli("import", "fabrikam.com", "--for", "graph", "--file", file, "--purge", "--yes").expect()
        assert f"purged: {file}" in answer.stdout, name
        if name == "token.txt":
            assert not file.exists()
            continue
        left = text.replace(token, "")
        if name == "saved.txt":
            left = text.replace(f"{token[:40]}\r\n               {token[40:]}", "")
        assert file.read_bytes().decode() == left, name
        again = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
        assert "was moved in before" in again.stdout, name
    cli("audit", "verify").expect()


def test_a_field_is_blanked_with_mode_kept_and_evidence_left(
    cli: Cli, emulator: Emulator, token: str, home: Path
) -> None:
    file = env_file(home, emulator, token, ADMIN_PASSWORD=PASSWORD)
    before = file.read_bytes()
    dry = cli("import", "fabrikam.com", "--file", file, "--purge", "--dry-run").expect()
    assert f"refresh token: {file}, field REFRESH_TOKEN (would be removed after the proof)" in dry.stdout
    assert file.read_bytes() == before
    assert status(cli) == []

    answer = cli("import", "fabrikam.com", "--from", file, "--purge", "--yes").expect()
    assert f"purged: {file}, field REFRESH_TOKEN: blanked" in answer.stdout
    assert (
        f"left over: {file}, field ADMIN_PASSWORD: a password, which was neither used nor stored: delete it"
        in answer.stdout
    )
    assert f"left over: {file}, field APP_SECRET: a secret" in answer.stdout
    assert "stays good at Microsoft" in answer.stderr
    assert file.read_bytes() == before.replace(token.encode(), b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in home.glob(".env*")] == [".env"]
    begun, done = record(cli, "purge")
    assert (begun["outcome"], done["outcome"], done["began"]) == ("begun", "ok", begun["seq"])
    assert done["note"] == f"{file}, field REFRESH_TOKEN: blanked"
    assert done["partner"] == emulator.tenant()["id"]


def test_what_is_wrong_with_a_form_is_told_before_anything_is_sent(
    cli: Cli, emulator: Emulator, home: Path, tmp_path: Path
) -> None:
    token = "0.emu-not-a-real-token"
    for more, kind, code in [
        ({"APP_ID": OTHER_APP}, "GrantOfAnotherApp", 3),
        ({"CLIENT_ID": OTHER_APP}, "InvalidArgument", 2),
        ({"MFA_METHOD": "by phone"}, "InvalidArgument", 2),
        ({"PARTNER_REFRESH_TOKEN": "0.emu-not-another-real-token"}, "InvalidArgument", 2),
        ({"KEYVAULT_URL": "https://fabrikam.vault.azure.net", "MFA_METHOD": ""}, "InvalidArgument", 2),
    ]:
        file = env_file(home, emulator, token, **more)
        before = file.read_bytes()
        refused = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json").expect(code).json["error"]
        assert refused["id"] == kind, more
        assert file.read_bytes() == before
    assert emulator.requests() == []
    key = home / "key"
    refused = cli("import", "fabrikam.com", "--file", key, "--json").expect(2).json["error"]
    assert "key of a store" in refused["message"]
    sealed = tmp_path / "saved.xml"
    sealed.write_text('<Objs><Obj><Props><SS N="RefreshToken">01000000d08c9ddf0115d1118c7a</SS></Props></Obj></Objs>')
    refused = cli("import", "fabrikam.com", "--file", sealed, "--json").expect(1).json["error"]
    assert (refused["id"], "Import-Clixml" in refused["hint"]) == ("NotSupported", True)
    assert emulator.requests() == []


def test_a_form_of_another_partner_is_refused(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    file = env_file(home, emulator, token)
    emulator.forget_requests()
    refused = cli("import", "northwind.example", "--file", file, "--json").expect(2).json["error"]
    assert "another partner" in refused["message"]
    assert not [each for each in emulator.requests() if each["path"].endswith("/token")]


@pytest.mark.parametrize("weak", ["revoked", "without mfa", "stored without mfa", "another app's"])
def test_without_proof_every_source_is_left_as_it_is(
    weak: str, cli: Cli, emulator: Emulator, token: str, home: Path
) -> None:
    more: list[str] = []
    code = 4
    match weak:
        case "revoked":
            emulator.control(revoke="all")
        case "without mfa":
            token = seeded(emulator, mfa=False)
        case "stored without mfa":
            token = seeded(emulator, mfa=False)
            more, code = ["--allow-without-mfa"], 1
        case _:
            token = seeded(emulator, profile="csp")
    file, bare = env_file(home, emulator, token), home / "token.txt"
    bare.write_text(token)
    with sdk(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        for source in [str(file), str(bare), "keyvault://emulator"]:
            answer = cli("import", "fabrikam.com", "--from", source, "--purge", "--yes", *more)
            assert answer.code == code if weak != "another app's" else answer.code != 0, answer.stderr
            if weak == "stored without mfa":
                assert "warning" in answer.stderr
                assert (
                    "old token was left"
                    in cli("import", "fabrikam.com", "--from", source, "--purge", "--yes", *more, "--json").json[
                        "moved_in"
                    ]["purged"]["error"]["causes"][0]
                )
        assert vault.get_secret("RefreshToken").value == token
    assert (token in file.read_text(), bare.read_text()) == (True, token)
    assert record(cli, "purge") == []


def test_a_purge_is_asked_for_and_never_assumed(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    file = env_file(home, emulator, token)
    before = file.read_bytes()
    assert "add --yes" in cli("import", "fabrikam.com", "--file", file, "--purge").expect(2).stderr
    cli("import", "fabrikam.com", "--purge", "--yes", stdin=token).expect(2)
    cli("import", "fabrikam.com", "--file", file, "--purge", "--write-back").expect(2)
    cli("import", "fabrikam.com", "--file", file, "--write-back").expect(2)
    with Terminal(cli, "import", "fabrikam.com", "--file", file, "--purge") as terminal:
        terminal.expect("field REFRESH_TOKEN? [y/N]")
        terminal.enter("n")
        assert terminal.wait() == 1
    assert status(cli) == []
    assert file.read_bytes() == before
    with Terminal(cli, "import", "fabrikam.com", "--file", file, "--purge") as terminal:
        terminal.expect("[y/N]")
        terminal.enter("y")
        terminal.expect("blanked")
        assert terminal.wait() == 0
        assert token not in terminal.screen
    assert token not in file.read_text()


def test_without_a_record_nothing_is_purged(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    file = env_file(home, emulator, token)
    config = home / "off.toml"
    config.write_text('audit = "off"\n')
    off = cli.with_env(PARTNERSAM_CONFIG=config)
    refused = off("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json").expect(1).json["error"]
    assert (refused["id"], "evidence" in refused["message"]) == ("NotSupported", True)
    assert token in file.read_text()
    assert status(cli) == []


def test_a_record_that_fails_in_between_keeps_the_token(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    """The import begins on record; when it comes to the purge somebody else holds the record and does not let go."""
    file = env_file(home, emulator, token)
    emulator.control(delay_ms=1500, path="partner_center")
    folder = Path(status_document(cli)["store"].removeprefix("sqlite:") + ".audit")
    lines = (folder / "record.jsonl").read_text().count("\n")
    with cli.start("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json") as process:
        until(process, lambda: "begun" if (folder / "record.jsonl").read_text().count("\n") > lines else "")
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code = process.wait()
        error = json.loads(process.stdout)["moved_in"]["purged"]["error"]
    assert (code, error["id"]) == (1, "OldTokenRemains")
    assert "could not be recorded" in error["message"]
    assert token in file.read_text()
    emulator.control(delay_ms=0, path="partner_center")
    assert [each["condition"] for each in status(cli)] == ["active"]
    cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
    assert token not in file.read_text()


def status_document(cli: Cli) -> dict[str, Any]:
    document: dict[str, Any] = cli("status", "--json").expect().json
    return document


@pytest.mark.soak(12)
def test_a_kill_at_any_moment_leaves_the_token_in_one_place_at_least(
    cli: Cli, emulator: Emulator, token: str, home: Path, rounds: int
) -> None:
    chance = random.SystemRandom()
    file = env_file(home, emulator, token)
    before, blanked = file.read_bytes(), file.read_bytes().replace(token.encode(), b"")
    command = ["import", "fabrikam.com", "--for", "graph", "--file", str(file), "--purge", "--yes"]
    started = time.monotonic()
    cli(*command).expect()
    length = time.monotonic() - started
    for _ in range(rounds):
        cli("revoke", "fabrikam.com", "--yes").expect()
        file.write_bytes(before)
        with cli.start(*command) as process:
            time.sleep(chance.uniform(0.3, 1.1) * length)
            process.kill()
        found = file.read_bytes()
        assert found in (before, blanked)
        if found == blanked:
            assert [each["condition"] for each in status(cli)] == ["active"]
        cli(*command).expect()
        assert file.read_bytes() == blanked
        assert sorted(each.name for each in home.glob(".env*")) == [".env"]
    cli("audit", "verify").expect()


def test_a_purge_of_a_vault_that_is_killed_is_finished_by_the_next(cli: Cli, emulator: Emulator, token: str) -> None:
    with sdk(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        emulator.control(vaults={"vault": "emulator", "lag": 5})
        emulator.forget_calls()
        command = ["import", "fabrikam.com", "--from", "keyvault://emulator/secrets/RefreshToken", "--purge", "--yes"]
        with cli.start(*command) as process:
            until(
                process,
                lambda: (
                    "deleted"
                    if any(each["method"] == "DELETE" and each["status"] == 200 for each in emulator.vault_calls())
                    else ""
                ),
            )
            process.kill()
        until_deleted(vault, "RefreshToken")
        assert [each["condition"] for each in status(cli)] == ["active"]
        assert "was moved in before" in cli(*command).expect().stdout
        assert list(vault.list_deleted_secrets()) == []


def until_deleted(vault: SecretClient, name: str) -> None:
    """A vault takes some requests to delete."""
    for _ in range(20):
        try:
            vault.get_deleted_secret(name)
        except ResourceNotFoundError:
            continue
        return
    raise AssertionError("the vault did not delete")


def test_what_cannot_be_removed_is_told_and_the_grant_is_stored(
    cli: Cli, emulator: Emulator, token: str, home: Path
) -> None:
    file = env_file(home, emulator, token)
    before = file.read_bytes()
    (home / "second-name").hardlink_to(file)
    answer = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect(1)
    assert "warning: the grant is stored, and the old refresh token could not be removed" in answer.stderr
    assert "who must act: the administrator of this machine" in answer.stderr
    document = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json").expect(1).json
    error = document["moved_in"]["purged"]["error"]
    assert (error["id"], "hard links" in error["causes"][0]) == ("OldTokenRemains", True)
    assert document["mfa"] == "yes"
    assert file.read_bytes() == before
    (grant,) = status(cli)
    assert grant["condition"] == "active"
    assert record(cli, "purge")[-1]["outcome"] == "failed"
    (home / "second-name").unlink()
    cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
    assert token not in file.read_text()


def sdk(emulator: Emulator) -> SecretClient:
    """The official client, as the old tool would use it."""
    app, ca = emulator.app(), str(emulator.ca_file)
    credential = ClientSecretCredential(
        app["tenant"],
        app["client_id"],
        app["client_secret"],
        authority=emulator.authority,
        disable_instance_discovery=True,
        connection_verify=ca,
    )
    return SecretClient(
        emulator.ready["key_vault"],
        credential,
        connection_verify=ca,
        verify_challenge_resource=False,
        api_version="7.4",
    )


def vault_url(emulator: Emulator) -> str:
    return f"https://emulator.vault.localhost:{emulator.ready['key_vault'].rsplit(':', 1)[1]}"


def test_a_vault_of_cipp_s_is_moved_in_and_purged(cli: Cli, emulator: Emulator, token: str) -> None:
    with sdk(emulator) as vault:
        for name, value in [
            ("ApplicationID", emulator.app()["client_id"]),
            ("ApplicationSecret", APP_SECRET),
            ("TenantID", emulator.tenant()["id"]),
            ("ExchangeRefreshToken", "not-a-real-exchange-token"),
            ("RefreshToken", "not-a-real-token-from-before"),
            ("RefreshToken", token),
        ]:
            vault.set_secret(name, value)
        answer = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes").expect()
        assert "purged: keyvault://emulator/secrets/RefreshToken: deleted and purged" in answer.stdout
        for name in ["ApplicationSecret", "ExchangeRefreshToken"]:
            assert f"left over: keyvault://emulator/secrets/{name}" in answer.stdout
        with pytest.raises(ResourceNotFoundError):
            vault.get_secret("RefreshToken")
        assert list(vault.list_deleted_secrets()) == []
        assert vault.get_secret("ApplicationSecret").value == APP_SECRET
        again = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes").expect()
        assert "was moved in before" in again.stdout
        vault.set_secret("RefreshToken", token)
        vault.set_secret("ApplicationID", OTHER_APP)
        refused = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--json").expect(3).json["error"]
        assert refused["id"] == "GrantOfAnotherApp"
        vault.set_secret("ApplicationID", emulator.app()["client_id"])
        vault.set_secret("TenantID", emulator.tenant("northwind.example")["id"])
        assert "another partner" in cli("import", "fabrikam.com", "--from", "keyvault://emulator").expect(2).stderr
    cli("token", "fabrikam.com", "--for", "graph").expect()


def test_the_dotnet_sample_s_settings_lead_to_its_vault(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    app, tenant = emulator.app(), emulator.tenant()["id"]
    file = home / "App.config"
    file.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>
    <add key="ida:CPVApplicationId" value="{app["client_id"]}" />
    <add key="ida:CPVApplicationSecret" value="{html.escape(app["client_secret"])}" />
    <add key="KeyVaultEndpoint" value="{vault_url(emulator)}" />
    <add key="ida:KeyVaultTenantId" value="{app["tenant"]}" />
    <add key="ida:KeyVaultClientId" value="{app["client_id"]}" />
    <add key="ida:KeyVaultClientSecret" value="{html.escape(app["client_secret"])}" />
  </appSettings>
</configuration>"""
    )
    before = file.read_bytes()
    with sdk(emulator) as vault:
        vault.set_secret(tenant, token)
        # The samples' app opens the vault: nothing else may.
        emulator.control(vaults={"vault": "emulator", "roles": {app["client_id"]: "officer"}})
        answer = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
        assert f"purged: keyvault://emulator/secrets/{tenant}: deleted and purged" in answer.stdout
        assert f"left over: {file}, field ida:KeyVaultClientSecret: a secret" in answer.stdout
        assert file.read_bytes() == before
        with pytest.raises(ResourceNotFoundError):
            vault.get_secret(tenant)


def test_a_tool_that_goes_on_gets_the_new_token(cli: Cli, emulator: Emulator, token: str) -> None:
    source = f"{vault_url(emulator)}/secrets/RefreshToken"
    with sdk(emulator) as vault:
        first = vault.set_secret("RefreshToken", token, content_type="text/x-old-tool", tags={"owner": "old tool"})
        answer = cli("import", "fabrikam.com", "--from", source, "--write-back").expect()
        assert "written back: keyvault://emulator/secrets/RefreshToken: written as a new version" in answer.stdout
        assert "stays good at Microsoft" in answer.stderr
        latest = vault.get_secret("RefreshToken")
        canary.know("the old tool", str(latest.value))
        assert latest.properties.version != first.properties.version
        assert (latest.properties.content_type, latest.properties.tags) == ("text/x-old-tool", {"owner": "old tool"})
        assert latest.value not in (token, None)
        # What was written back redeems: it is no echo of the old one.
        cli("revoke", "fabrikam.com", "--yes").expect()
        cli("import", "fabrikam.com", stdin=str(latest.value)).expect()
    assert [each["outcome"] for each in record(cli, "write-back")] == ["begun", "ok"]


def test_a_vault_that_does_not_let_go_is_told_of(cli: Cli, emulator: Emulator, token: str) -> None:
    with sdk(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        emulator.control(vaults={"vault": "emulator", "roles": {emulator.app()["client_id"]: "user"}})
        refused = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes", "--json").expect(1)
        error = refused.json["moved_in"]["purged"]["error"]
        context = (
            {each["name"]: each["value"] for each in error["context"]}
            if isinstance(error["context"], list)
            else error["context"]
        )
        assert (error["id"], context["reason"]) == ("OldTokenRemains", "VaultRoleMissing")
        assert [each["condition"] for each in status(cli)] == ["active"]
        emulator.control(
            vaults={"vault": "emulator", "roles": {emulator.app()["client_id"]: "officer"}, "purge_protection": True}
        )
        kept = cli("import", "fabrikam.com", "--from", "keyvault://emulator", "--purge", "--yes").expect()
        assert "the vault keeps it recoverable until its retention ends" in kept.stdout


def test_the_store_s_own_secrets_are_not_moved_in(cli: Cli, emulator: Emulator, home: Path) -> None:
    config = home / "vault.toml"
    config.write_text(f'store = "keyvault://emulator"\naudit = "{home}/record"\n[vault]\nbeside = "{home}/v/v.db"\n')
    stored = cli.with_env(PARTNERSAM_CONFIG=config)
    consent(stored, emulator).expect()
    with sdk(emulator) as vault:
        names = sorted(str(each.name) for each in vault.list_properties_of_secrets())
        for name in names:
            answer = stored(
                "import", "fabrikam.com", "--from", f"keyvault://emulator/secrets/{name}", "--purge", "--yes"
            )
            assert "already" in answer.expect(2).stderr
        assert sorted(str(each.name) for each in vault.list_properties_of_secrets()) == names


@pytest.mark.needs("dbus-daemon", "gnome-keyring")
def test_an_entry_of_the_keyring(cli: Cli, emulator: Emulator, keyring: Keyring, token: str) -> None:
    entries = cli.with_env(**{name: value for name, value in keyring.env.items() if name != "HOME"})
    keep(keyring, "old tool", "fabrikam", token)
    dry = entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam", "--dry-run").expect()
    assert "refresh token: keyring:old tool/fabrikam" in dry.stdout
    answer = entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam", "--purge", "--yes").expect()
    assert "purged: keyring:old tool/fabrikam: deleted" in answer.stdout
    assert (
        "was moved in before"
        in entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam", "--purge", "--yes").expect().stdout
    )
    entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam").expect(2)
    # A store's key is no token: it is neither sent nor removed.
    refused = entries("import", "fabrikam.com", "--from", "keyring:partnersam/x", "--purge", "--yes").expect(2)
    assert "key of a store" in refused.stderr


def keep(keyring: Keyring, service: str, user: str, secret: str) -> None:
    """As another tool files it."""
    program = Cli(keyring.home, keyring.env, (VENV / "bin" / "python", TESTS / "cli" / "keep_in_keyring.py"))
    program(service, user, stdin=secret).expect()
