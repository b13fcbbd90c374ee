"""What is done to a store while it is struck: each verb with what it needs before, and what must be true after."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from destruction.at_call import calls_of, struck, under
from harness.cli import Answer
from processes.place import Place

FILES = {"grants.db", "grants.db-wal", "grants.db-shm", "grants.db.leases", "grants.db.audit"}
"""All that may lie in the store's folder once the next command has run."""


@dataclass(frozen=True)
class Verb:
    name: str
    arguments: Callable[[Place], list[str]]
    prepare: Callable[[Place], None] = lambda place: None
    stdin: Callable[[Place], str | None] = lambda place: None
    finish: Callable[[Place], None] | None = None
    """Brings the machine to where a verb that was cut short should have brought it; None: nothing is missing."""


def new_token(place: Place) -> str:
    return place.emulator.seed_grants(place.upn)[0]["refresh_token"]


def forget_everything(place: Place) -> None:
    shutil.rmtree(place.store.parent, ignore_errors=True)


def consent(place: Place) -> None:
    place.consent("graph").expect()


def token_in_the_journal(place: Place) -> None:
    """A refresh token that waits in the recovery journal: the disk failed at the commit after the redemption."""
    place.token("--fresh").expect()
    log = place.store.with_name("grants.db-wal")
    calls = calls_of(place.cli, *place.ask("cli", "--fresh"), how=tuple(under(log)))
    first_write = next(call.number for call in calls if call.name == "pwrite64")
    struck(place.cli, *under(log), "--fail-from", errno.EIO, first_write)(*place.ask("cli", "--fresh")).expect()
    assert list(place.journal.iterdir()), "the token went elsewhere"


def older_schema(place: Place) -> None:
    """The store as the version before left it, without the tables that came since (src/store/sqlite/schema.rs)."""
    place.token("--fresh").expect()
    set_schema(place, 1, "DROP TABLE vault_copies")


def set_schema(place: Place, version: int, change: str = "") -> None:
    """What the store says of its version, after a change of its tables."""
    with contextlib.closing(sqlite3.connect(place.store)) as connection, connection:
        if change:
            connection.execute(change)
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(version).encode(),))


def schema(place: Place) -> int:
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        return int(connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()[0])


REFRESH = Verb("refresh", lambda place: place.ask("cli", "--fresh"))
RENEW = Verb("renew", lambda place: ["renew", place.partner])
IMPORT = Verb("import", lambda place: ["import", place.partner, "--for", "graph"], stdin=new_token, finish=consent)
FIRST_IMPORT = Verb(
    "first-import",
    lambda place: ["import", place.partner, "--for", "graph"],
    prepare=forget_everything,
    stdin=new_token,
    finish=consent,
)
REVOKE = Verb("revoke", lambda place: ["revoke", place.partner, "--yes"], prepare=consent, finish=consent)
RECOVER = Verb("recover", lambda place: ["status", place.partner], prepare=token_in_the_journal)

MIGRATE = Verb("migrate", lambda place: ["status", place.partner], prepare=older_schema)

VERBS = (REFRESH, RENEW, IMPORT, FIRST_IMPORT, REVOKE, RECOVER, MIGRATE)


def generation(place: Place) -> int | None:
    """The generation of the grant's record as the files have it at this moment, without touching them; None: no record."""
    if not place.store.exists():
        return None
    with tempfile.TemporaryDirectory(dir=place.home) as folder:
        for name in ("grants.db", "grants.db-wal", "grants.db-journal"):
            file = place.store.parent / name
            if file.exists():
                shutil.copy(file, folder)
        connection = sqlite3.connect(Path(folder) / "grants.db")
        try:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'grants'").fetchone():
                return None
            row = connection.execute("SELECT generation FROM grants").fetchone()
        finally:
            connection.close()
        return int(row[0]) if row else None


def leftovers(place: Place) -> set[str]:
    """What lies in the store's folder and should not."""
    found = {file.name for file in place.store.parent.iterdir()} - FILES
    return found | {file.name for file in place.home.rglob("*.unfinished")}


def served(place: Place) -> int:
    """How many refresh tokens of the partner the server has taken and replaced."""
    return sum(1 for each in place.redemptions() if each["status"] == 200)


def is_token(text: str) -> bool:
    """A whole token, as the command line prints it."""
    return text.endswith("\n") and text.count(".") == 2 and len(text) > 100


def next_token(place: Place) -> Answer:
    """The next process that needs a new token. A lease left behind would hold it up for 45 seconds."""
    return place.token("--fresh", limit=30)
