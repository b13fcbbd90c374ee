"""A vendor's app beside an emulator, as the tests of the Python package use it: its environment, and a partner who has consented."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.emulator import Emulator
from harness.process import Process
from partnersam import Consented, PartnerApp

GRAPH = "https://graph.microsoft.com/.default"
ARM = "https://management.azure.com/.default"
REDIRECT = "https://vendor.example/consent/callback"


def environment(emulator: Emulator, home: Path) -> dict[str, str]:
    """What a program is given: the emulator, a store in the test's home, its key in a file."""
    key_file = home / "store.key"
    if not key_file.exists():
        key = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        key_file.touch(mode=0o600)
        key_file.write_text(f"partnersam-key-1:{key}\n")
    return {
        "HOME": str(home),
        "PARTNERSAM_EMULATOR": str(emulator.ready_file),
        "PARTNERSAM_STORE": f"sqlite:{home / 'store' / 'grants.db'}",
        "PARTNERSAM_KEY_FILE": str(key_file),
    }


def open_app(emulator: Emulator, home: Path, **more: Any) -> PartnerApp:
    """The same as a mapping, in this process, with more of the configuration's keys, or with callables for a credential."""
    env = environment(emulator, home)
    os.environ["PARTNERSAM_EMULATOR"] = env["PARTNERSAM_EMULATOR"]
    key = f"file:{env['PARTNERSAM_KEY_FILE']}"
    callables = {name: more.pop(name) for name in ("signer", "assertion") if name in more}
    return PartnerApp.from_dict({"store": env["PARTNERSAM_STORE"], "key": key, **more}, **callables)


def consent(
    emulator: Emulator, app: PartnerApp, partner: str = "fabrikam.com", upn: str = "admin@fabrikam.com", **how: Any
) -> Consented:
    """A link, a sign-in by script, and what the vendor's web page makes of the reply."""
    link = app.begin_consent(partner, redirect_uri=REDIRECT, **how)
    return app.complete_consent(emulator.sign_in(link.url, upn).fields)


def redemptions(emulator: Emulator) -> int:
    """How often a refresh token came to the token endpoint."""
    return len(emulator.requests(grant_type="refresh_token"))


def program(name: str, text: str, env: Mapping[str, str], home: Path) -> Process:
    """A Python program of its own, with the package as installed and nothing of this environment."""
    file = home / f"{name}.py"
    file.write_text(text)
    everything = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1", **env}
    return Process(f"python-{name}", [sys.executable, "-X", "faulthandler", file], env=everything, cwd=home)


def answer(name: str, text: str, env: Mapping[str, str], home: Path) -> Any:
    """What such a program prints as JSON in its last line."""
    with program(name, text, env, home) as process:
        assert process.wait() == 0, process.last_words()
        return json.loads(process.stdout.splitlines()[-1])
