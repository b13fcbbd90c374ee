"""Two versions of the program at one store: what the older one does with the newer one's tables, and the newer one with the older one's."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from destruction.at_call import struck
from destruction.verbs import older_schema, schema, set_schema
from destruction.without import without
from harness.cli import Answer, Cli
from harness.postgres import children_of
from harness.process import START, Process
from processes.in_flight import is_connected
from processes.place import Place, follow_each_other

CROWD = 8
NEXT_VERSION = "CREATE TABLE of_the_next_version (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"


def content(place: Place) -> list[str]:
    """Everything in the store's tables, wherever its pages are."""
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        return list(connection.iterdump())


def refused_as_newer(answer: Answer) -> None:
    answer.expect(6)
    assert re.search(r"^see: \S+#store-schema-newer$", answer.stderr, re.MULTILINE), answer.stderr


def test_an_older_program_refuses_a_newer_store_and_changes_nothing(place: Place) -> None:
    place.token("--fresh").expect()
    known = schema(place)
    set_schema(place, known + 1, NEXT_VERSION)
    place.emulator.forget_requests()
    before = content(place)
    for verb in (place.ask("cli", "--fresh"), ["renew", place.partner], ["revoke", place.partner, "--yes"], ["status"]):
        refused_as_newer(place.cli(*verb))
    refused_as_newer(place.consent("graph"))
    assert content(place) == before
    assert place.redemptions() == []
    # The newer program comes back: everything is there.
    set_schema(place, known, "DROP TABLE of_the_next_version")
    place.token("--fresh").expect()


def test_without_its_number_a_newer_store_is_taken_for_ones_own(place: Place) -> None:
    """Control: tables that changed are no refusal by themselves."""
    place.token("--fresh").expect()
    set_schema(place, schema(place), NEXT_VERSION)
    place.emulator.forget_requests()
    before = content(place)
    place.token("--fresh").expect()
    assert content(place) != before
    assert place.redemptions()


def migrated_while_redeeming(place: Place, older: Cli) -> None:
    """The older program has the store open, and its server's answer comes after a newer one's migration."""
    place.emulator.control(strict_refresh=True, revoke_family=True, delay_ms=1500, path="token")
    known, port = schema(place), urlsplit(place.emulator.authority).port or 0
    with older.start(*place.ask("cli", "--fresh")) as process:
        until = time.monotonic() + START
        # Under at_call it is a child.
        while not any(is_connected(pid, port) for pid in [process.pid, *children_of(process.pid)]):
            assert process.running, process.last_words()
            assert time.monotonic() < until, process.last_words()
            time.sleep(0.002)
        set_schema(place, known + 1, NEXT_VERSION)
        assert process.wait() == 0, process.last_words()
    assert process.stdout.count(".") == 2
    place.emulator.control(delay_ms=0, path="token")
    refused_as_newer(place.token("--fresh"))
    set_schema(place, known, "DROP TABLE of_the_next_version")


def test_a_redemption_in_flight_while_a_newer_program_migrates_is_not_lost(place: Place) -> None:
    migrated_while_redeeming(place, place.cli)
    place.token("--fresh").expect()
    assert follow_each_other(place.redemptions())


@pytest.mark.usefixtures("traced")
def test_without_its_write_it_is_lost(place: Place) -> None:
    """Control: what the older program writes after the migration is not carried out."""
    migrated_while_redeeming(place, struck(place.cli, "--pretend", "grants.db-wal"))
    place.token("--fresh").expect(4)


def test_many_programs_that_find_an_older_store_bring_it_up_to_date_once_and_lose_nothing(place: Place) -> None:
    older_schema(place)
    kept = place.redemptions()
    known = 1
    # The older program still reads, and has not ended its transaction.
    with contextlib.closing(sqlite3.connect(place.store, isolation_level=None)) as older:
        older.execute("BEGIN")
        assert older.execute("SELECT count(*) FROM grants").fetchone() == (1,)
        with ThreadPoolExecutor(CROWD) as pool:
            answers = list(pool.map(lambda _: place.token(), range(CROWD)))
        assert older.execute("SELECT count(*) FROM grants").fetchone() == (1,)
        older.execute("ROLLBACK")
    assert len({answer.expect().stdout for answer in answers}) == 1
    assert schema(place) > known
    assert place.redemptions() == kept, "the token that the older program kept is still good"
    place.token("--fresh").expect()
    assert place.is_sound()


LOOK = 0.5
"""Seconds in which a program that does not wait would be through with it; one that waits does so however long they are."""


def has_opened(process: Process, file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return any(each.readlink() == file for each in Path(f"/proc/{process.pid}/fd").iterdir())
    return False


def wait_until_opened(process: Process, file: Path) -> None:
    until = time.monotonic() + START
    while not has_opened(process, file):
        assert process.running, process.last_words()
        assert time.monotonic() < until, process.last_words()
        time.sleep(0.002)


def test_an_older_program_in_the_middle_of_a_write_is_waited_for(place: Place) -> None:
    older_schema(place)
    with contextlib.closing(sqlite3.connect(place.store, isolation_level=None)) as older:
        older.execute("BEGIN IMMEDIATE")
        older.execute("INSERT INTO meta (name, value) VALUES ('touched', x'01')")
        with place.cli.start(*place.ask("cli")) as newer:
            wait_until_opened(newer, place.store)
            time.sleep(LOOK)
            assert newer.running, newer.last_words()
            older.execute("COMMIT")
            assert newer.wait() == 0, newer.last_words()
        assert older.execute("SELECT value FROM meta WHERE name = 'touched'").fetchone() == (b"\x01",)
    assert schema(place) > 1
    place.token("--fresh").expect()


def test_without_locks_it_is_not_waited_for(place: Place) -> None:
    """Control: the newer program ends while the older one is still at its write."""
    older_schema(place)
    with contextlib.closing(sqlite3.connect(place.store, isolation_level=None)) as older:
        older.execute("BEGIN IMMEDIATE")
        older.execute("INSERT INTO meta (name, value) VALUES ('touched', x'01')")
        with without("no_file_locks", place.cli).start(*place.ask("cli")) as newer:
            newer.wait()
        with contextlib.suppress(sqlite3.Error):
            older.execute("ROLLBACK")
