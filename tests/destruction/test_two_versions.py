"""Two versions of the program at one store: what the older one does with the newer one's tables, and the newer one with the older one's."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from destruction.verbs import older_schema, schema, set_schema
from harness.cli import Answer
from processes.in_flight import wait_until_sent
from processes.place import Place, follow_each_other

CROWD = 8
NEXT_VERSION = "CREATE TABLE of_the_next_version (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"


def refused_as_newer(answer: Answer) -> None:
    answer.expect(6)
    assert re.search(r"^see: \S+#store-schema-newer$", answer.stderr, re.MULTILINE), answer.stderr


def test_an_older_program_refuses_a_newer_store_and_changes_nothing(place: Place) -> None:
    place.token("--fresh").expect()
    known = schema(place)
    set_schema(place, known + 1, NEXT_VERSION)
    place.emulator.forget_requests()
    before = hashlib.sha256(place.store.read_bytes()).digest()
    for verb in (place.ask("cli", "--fresh"), ["renew", place.partner], ["revoke", place.partner, "--yes"], ["status"]):
        refused_as_newer(place.cli(*verb))
    refused_as_newer(place.consent("graph"))
    assert hashlib.sha256(place.store.read_bytes()).digest() == before
    assert place.redemptions() == []
    # The newer program comes back: everything is there.
    set_schema(place, known, "DROP TABLE of_the_next_version")
    place.token("--fresh").expect()


def test_a_redemption_in_flight_while_a_newer_program_migrates_is_not_lost(place: Place) -> None:
    """The older program has the store open, and its server's answer comes after the migration."""
    place.emulator.control(strict_refresh=True, revoke_family=True, delay_ms=1500, path="token")
    known = schema(place)
    with place.cli.start(*place.ask("cli", "--fresh")) as older:
        wait_until_sent(older, place.emulator.authority)
        set_schema(place, known + 1, NEXT_VERSION)
        assert older.wait() == 0, older.last_words()
    assert older.stdout.count(".") == 2
    place.emulator.control(delay_ms=0, path="token")
    refused_as_newer(place.token("--fresh"))
    set_schema(place, known, "DROP TABLE of_the_next_version")
    place.token("--fresh").expect()
    assert follow_each_other(place.redemptions())


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


def test_an_older_program_in_the_middle_of_a_write_is_waited_for(place: Place) -> None:
    older_schema(place)
    with contextlib.closing(sqlite3.connect(place.store, isolation_level=None)) as older:
        older.execute("BEGIN IMMEDIATE")
        older.execute("UPDATE meta SET value = x'01' WHERE name = 'touched'")
        with place.cli.start(*place.ask("cli")) as newer:
            assert newer.running
            older.execute("COMMIT")
            assert newer.wait() == 0, newer.last_words()
    assert schema(place) > 1
    place.token("--fresh").expect()
