"""A new key for a store that is in use: real processes, real sources, and kills."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator
from harness.keyring import Keyring
from processes.keys import lines
from processes.place import Place
from processes.test_key_sources import KEYRING, KEYRING_PASSWORD, configure, keys_in, refused


def facts(cli: Cli, *more: str) -> dict[str, Any]:
    found: dict[str, Any] = cli("key", "show", "--json", *more).expect().json
    return found


def meta(place: Place) -> dict[str, bytes]:
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        return dict(connection.execute("SELECT name, value FROM meta"))


@pytest.fixture
def place(home: Path, emulator: Emulator) -> Place:
    return Place(home, emulator)


def test_a_key_file_gets_a_new_key_and_everything_opens_with_it(place: Place) -> None:
    key_file = place.home / "store-key"
    before, token = lines(key_file), place.token("--fresh").expect().stdout
    generation = place.grant()["generation"]
    answer = place.cli("key", "rotate", "--json").expect().json
    assert (answer["moved"], answer["unreadable"], answer["resumed"], answer["old_key_removed"]) == (1, 0, False, True)
    after = lines(key_file)
    assert len(after) == 1
    assert after != before
    assert key_file.stat().st_mode & 0o777 == 0o600
    # The cached token and the grant are what they were, and nothing was asked of the service.
    assert place.token().expect().stdout == token
    assert place.grant()["generation"] == generation
    assert facts(place.cli)["rotation"] == "none"
    place.cli("renew", place.partner).expect()
    place.cli("audit", "verify").expect()
    # The old key opens nothing any more.
    key_file.write_text("\n".join([*before, ""]))
    assert refused(place.cli("status", "--json"))["id"] == "StoreKeyWrong"


def test_a_plan_of_a_rotation_says_all_and_does_nothing(place: Place) -> None:
    key_file = place.home / "store-key"
    before, said = lines(key_file), meta(place)
    plan = place.cli("key", "rotate", "--dry-run", "--json").expect().json
    assert (plan["dry_run"], plan["grants"], plan["makes_key"], plan["source"]) == (True, 1, True, f"file:{key_file}")
    assert not any(plan[word] for word in ("first_by_hand", "prepares_only", "other_hosts"))
    told = place.cli("key", "rotate", "--dry-run").expect().stdout
    assert "would put a new key beside the old one" in told
    assert "would move 1 grant of" in told
    assert (lines(key_file), meta(place)) == (before, said)


def test_the_check_up_tells_of_a_key_that_waits_for_somebody(place: Place) -> None:
    key_file = place.home / "store-key"
    before = lines(key_file)

    def told() -> list[tuple[str, bool]]:
        found = place.cli("doctor", place.partner, "--json").json["findings"]
        return [(each["level"], "key rotate" in each["fix"]) for each in found if each["check"] == "store-key"]

    assert told() == []
    place.cli("key", "make", place.home / "next").expect()
    key_file.write_text("\n".join([*before, *lines(place.home / "next"), ""]))
    assert told() == [("warn", True)]
    place.cli("key", "retire").expect()
    # As a kill just before the last step leaves it.
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        connection.execute("INSERT INTO meta (name, value) VALUES ('retiring', x'')")
        connection.commit()
    assert told() == [("warn", True)]
    assert "key rotate" in place.cli("status").expect().stderr
    assert place.cli("key", "rotate", "--json").expect().json["resumed"]
    assert told() == []


def test_a_rotation_is_on_the_record_and_the_record_goes_on_under_the_new_key(place: Place) -> None:
    place.cli("key", "rotate").expect()
    place.cli("key", "rotate").expect()
    shown = place.cli("audit", "show", "--operation", "key-rotate", "--json").expect().stdout.splitlines()
    assert len(shown) == 4
    place.cli("audit", "verify").expect()


def test_a_key_that_was_put_beside_and_never_used_can_be_taken_away(place: Place) -> None:
    key_file = place.home / "store-key"
    before = lines(key_file)
    place.cli("key", "make", place.home / "next").expect()
    key_file.write_text("\n".join([*before, *lines(place.home / "next"), ""]))
    assert facts(place.cli)["held"] == 2
    place.token().expect()
    place.cli("key", "retire").expect()
    assert lines(key_file) == before
    place.token().expect()


@KEYRING
def test_a_keyring_s_key_is_changed_and_the_old_one_is_gone(home: Path, emulator: Emulator, keyring: Keyring) -> None:
    place = Place(home, emulator, init=None, env=keyring.env)
    before = keys_in(keyring)
    place.cli("key", "rotate").expect()
    after = keys_in(keyring)
    assert [len(key) for key in after] == [32]
    assert before != after
    place.token().expect()
    place.cli("renew", place.partner).expect()


def test_a_passphrase_is_changed_by_a_second_line(home: Path, emulator: Emulator) -> None:
    old, new = "the first test passphrase", "the second test passphrase"
    canary.know("a store", old, new)
    file = home / "passphrase"
    file.touch(mode=0o600)
    file.write_text(f"{old}\n")
    configure(home, emulator, 'key = "passphrase"', f'passphrase_file = "{file}"')
    place = Place(home, emulator, init=None)
    # The same passphrase makes another key.
    assert place.cli("key", "rotate", "--json").expect().json["old_key_removed"]
    place.token().expect()
    file.write_text(f"{old}\n{new}\n")
    answer = place.cli("key", "rotate").expect()
    assert "by hand" in answer.stderr
    place.token().expect()
    file.write_text(f"{old}\n")
    assert refused(place.cli("status", "--json"))["id"] == "StoreKeyWrong"
    file.write_text(f"{new}\n")
    place.token().expect()


def test_a_service_s_credential_is_changed_by_who_hands_it_out(home: Path, emulator: Emulator, tmp_path: Path) -> None:
    credential = tmp_path / "credentials" / "partnersam-key"
    place = Place(home, emulator, init=("--key-file", credential), consented=False)
    (home / ".config" / "partnersam" / "config.toml").unlink()
    place.env["CREDENTIALS_DIRECTORY"] = str(credential.parent)
    place.consent("graph").expect()
    error = place.cli("key", "rotate", "--json").expect(1).json["error"]
    assert error["id"] == "NotSupported"
    assert "credential" in error["hint"]
    place.token().expect()
    next_key = tmp_path / "next"
    place.cli("key", "make", next_key).expect()
    old, new = lines(credential), lines(next_key)
    credential.write_text("\n".join([*old, *new, ""]))
    place.token().expect()
    answer = place.cli("key", "rotate", "--json").expect().json
    assert (answer["moved"], answer["old_key_removed"]) == (1, False)
    credential.write_text("\n".join([*new, ""]))
    place.token().expect()
    place.cli("renew", place.partner).expect()


def test_others_go_on_working_while_the_key_is_changed(place: Place, emulator: Emulator) -> None:
    """A long-running renewer has the old key in memory, and must not notice more than that."""
    emulator.control(access_token_lifetime=1)
    with place.cli.start("renew", "--watch", "--json") as watching:
        time.sleep(1)
        for _ in range(3):
            place.cli("key", "rotate").expect()
            place.token("--fresh").expect()
            place.consent("graph").expect()
        assert watching.running, watching.last_words()


def many(place: Place, count: int) -> list[str]:
    """More grants, so that there is something to be in the middle of."""
    tenants = []
    for partner in place.emulator.add_partners(count):
        token = place.emulator.seed_grants(partner["user"]["upn"])[0]["refresh_token"]
        place.cli("import", partner["tenant"]["id"], "--for", "graph", stdin=token).expect()
        tenants.append(partner["tenant"]["id"])
    return tenants


@pytest.mark.soak(24)
def test_a_kill_in_the_middle_of_a_change_loses_nothing(home: Path, emulator: Emulator, rounds: int) -> None:
    place = Place(home, emulator)
    tenants = [place.partner, *many(place, 3)]
    generations = {each["partner"]: each["generation"] for each in status(place)}
    started = time.monotonic()
    place.cli("key", "rotate").expect()
    length = time.monotonic() - started
    cut_short = 0
    for number in range(rounds):
        with place.cli.start("key", "rotate") as process:
            time.sleep(1.2 * length * number / rounds)
            process.kill()
        found = status(place)
        assert {each["partner"]: each["generation"] for each in found} == generations
        assert {each["condition"] for each in found} == {"active"}
        resumed = place.cli("key", "rotate", "--json").expect().json
        cut_short += resumed["resumed"]
        assert len(lines(home / "store-key")) == 1
        assert not {"previous_key", "moved_to", "retiring"} & meta(place).keys()
        place.cli("audit", "verify").expect()
    assert len(tenants) == len(generations)
    for tenant in tenants:
        place.cli("renew", tenant).expect()
    assert place.is_sound()
    if rounds >= 24 and os.environ.get("CI") == "true":
        assert cut_short


def status(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.cli("status", "--json").expect().json["grants"]
    return found


@KEYRING
def test_five_faults_of_the_key_have_five_answers(home: Path, emulator: Emulator, tmp_path: Path) -> None:
    """Wrong key, missing key, locked keyring, corrupt record, newer schema: each says what it is, and who must act."""
    place = Place(home, emulator)
    key_file, kept = home / "store-key", (home / "store-key").read_text()

    def answer(cli: Cli = place.cli) -> tuple[str, int, str]:
        error = refused(cli("status", "--json"))
        assert error["hint"]
        return error["id"], error["number"], error["actor"]

    place.cli("key", "make", tmp_path / "o").expect()
    lines(tmp_path / "o")
    key_file.write_text((tmp_path / "o").read_text())
    assert answer() == ("StoreKeyWrong", 5004, "host_administrator")
    key_file.unlink()
    assert answer() == ("StoreKeyMissing", 5003, "host_administrator")
    key_file.touch(mode=0o600)
    key_file.write_text(kept)
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        sealed = connection.execute("SELECT sealed FROM grants").fetchone()[0]
        for damaged in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1])):
            connection.execute("UPDATE grants SET sealed = ?", (damaged,))
            connection.commit()
            assert answer() == ("StoreCorrupt", 5002, "host_administrator")
        connection.execute("UPDATE grants SET sealed = ?", (sealed,))
        schema = connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()[0]
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (b"99",))
        connection.commit()
        assert answer() == ("StoreSchemaNewer", 5008, "host_administrator")
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (schema,))
        connection.commit()
    place.token().expect()

    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    with Keyring(other, KEYRING_PASSWORD) as unlocked:
        behind_a_keyring = Place(other, emulator, init=None, env=unlocked.env)
    with Keyring(other, KEYRING_PASSWORD, locked=True) as locked:
        assert answer(behind_a_keyring.cli.with_env(**locked.env)) == ("StoreKeyLocked", 5005, "host_administrator")


def test_a_store_of_the_version_before_is_brought_forward(place: Place) -> None:
    newest = meta(place)["schema"]
    with contextlib.closing(sqlite3.connect(place.store)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (b"2",))
        connection.commit()
    place.token().expect()
    place.cli("key", "rotate").expect()
    assert meta(place)["schema"] == newest
