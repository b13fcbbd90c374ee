"""Hosts that share one PostgreSQL: homes of their own, a copy of one key each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.cli import Cli
from harness.emulator import Emulator


class Fleet:
    """`fleet.host("one")` is a machine with a home of its own."""

    def __init__(self, folder: Path, emulator: Emulator, store: str) -> None:
        self.folder = folder
        self.emulator = emulator
        self.store = store
        self.key = folder / "key"
        first = self.host("first")
        first("init", "--client-id", emulator.app()["client_id"], "--key-file", self.key).expect()

    def host(self, name: str) -> Cli:
        home = self.folder / name
        home.mkdir(mode=0o700, exist_ok=True)
        env = {"PARTNERSAM_EMULATOR": str(self.emulator.ready_file), "PARTNERSAM_STORE": self.store}
        if self.key.exists():
            key = home / "key"
            if not key.exists():
                shutil.copy(self.key, key)
            env["PARTNERSAM_KEY_FILE"] = str(key)
        return Cli(home, env)

    def consents(self, count: int) -> list[str]:
        """Partners that have consented on the first host."""
        first = self.host("first")
        return [consent(first, self.emulator, partner) for partner in self.emulator.add_partners(count)]


def consent(host: Cli, emulator: Emulator, partner: dict[str, Any] | None = None) -> str:
    """A partner, a new one where none is given, that consents on this host, whose audit record begins with it."""
    partner = partner or emulator.add_partners(1)[0]
    token = emulator.seed_grants(partner["user"]["upn"])[0]["refresh_token"]
    tenant: str = partner["tenant"]["id"]
    host("import", tenant, "--for", "graph", stdin=token).expect()
    return tenant
