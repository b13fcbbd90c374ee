"""A machine on which one partner has consented: configuration, key file, store, one grant. What many processes then share."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.cli import Answer, Cli
from harness.emulator import Emulator
from harness.places import PRINT_TOKEN, VENV


class Place:
    """`Place(home, emulator)` consents by import; `place.token()` is one process of the command line, `place.python` makes one of Python.

    The partner is one that the emulator makes for it, and goes by its tenant id: then nothing is looked up, and the first
    connection that a process opens is the redemption itself.
    """

    def __init__(
        self,
        home: Path,
        emulator: Emulator,
        *,
        init: tuple[str | Path, ...] | None = (),
        env: Mapping[str, str] | None = None,
        consented: bool = True,
    ) -> None:
        """`init`: arguments beside the client id, `--key-file` where there is none; None leaves the configuration to the test."""
        self.home = home
        self.emulator = emulator
        self.env = {"PARTNERSAM_EMULATOR": str(emulator.ready_file), **(env or {})}
        if init is not None:
            self.init(*(init or ("--key-file", home / "store-key")))
        partner = emulator.add_partners(1)[0]
        self.partner: str = partner["tenant"]["id"]
        self.upn: str = partner["user"]["upn"]
        if consented:
            self.consent("graph").expect()

    @property
    def cli(self) -> Cli:
        """The command line as it is on this machine."""
        return Cli(self.home, self.env)

    def init(self, *more: str | Path) -> None:
        """Writes the configuration."""
        self.cli("init", "--client-id", self.emulator.app()["client_id"], *more).expect()

    def consent(self, audiences: str, *more: str, env: Mapping[str, str] | None = None) -> Answer:
        """A new grant of the partner's, over the old one if there is one."""
        token = self.emulator.seed_grants(self.upn)[0]["refresh_token"]
        return self.cli.with_env(**(env or {}))("import", self.partner, "--for", audiences, *more, stdin=token)

    @property
    def store(self) -> Path:
        return self.home / ".local" / "share" / "partnersam" / "grants.db"

    @property
    def journal(self) -> Path:
        return Path(f"{self.store}.recovery")

    def program(self, face: str) -> Cli:
        """The same question by another face: `cli` or `python`."""
        if face == "cli":
            return self.cli
        return Cli(self.home, self.env, (VENV / "bin" / "python", PRINT_TOKEN))

    def ask(self, face: str, *more: str, audience: str = "graph") -> list[str]:
        """The arguments with which a face prints a token."""
        verb = ["token"] if face == "cli" else []
        return [*verb, self.partner, "--for", audience, *more]

    def token(self, *more: str, audience: str = "graph", limit: float = 120.0) -> Answer:
        """A process of the command line that prints a token, to its end."""
        return self.cli(*self.ask("cli", *more, audience=audience), limit=limit)

    def grant(self) -> dict[str, Any]:
        """The grant as `status --json` shows it, without the seconds that are left: two looks can be compared."""
        found: dict[str, Any] = self.cli("status", self.partner, "--json").expect().json["grants"][0]
        del found["expires_in"]
        return found

    def redemptions(self) -> list[dict[str, Any]]:
        """What this partner's refresh tokens were used for since the record was last emptied, oldest first."""
        return self.emulator.requests(grant_type="refresh_token", tenant=self.partner)

    def is_sound(self) -> bool:
        """What SQLite itself says of the file."""
        with contextlib.closing(sqlite3.connect(self.store)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchall()
        return verdict == [("ok",)]

    @contextlib.contextmanager
    def written_by_another(self) -> Iterator[None]:
        """Meanwhile another program has the store open for writing, so that nobody else can write."""
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


def follow_each_other(redemptions: list[dict[str, Any]]) -> bool:
    """Whether each redemption sent the refresh token that the one before it had brought."""
    pairs = itertools.pairwise(redemptions)
    return all(later["refresh_token_sha256"] == earlier["new_refresh_token_sha256"] for earlier, later in pairs)


def with_an_ended_token(home: Path, emulator: Emulator) -> Place:
    """One partner's grant, with a token for graph whose life has ended; tokens from now on live an hour."""
    emulator.control(access_token_lifetime=1)
    made = Place(home, emulator)
    emulator.control(access_token_lifetime=3600)
    emulator.forget_requests()
    return made
