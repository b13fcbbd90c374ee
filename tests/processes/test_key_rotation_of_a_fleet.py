"""A new key for a store that several hosts use: real processes, a real PostgreSQL, and kills."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from harness import canary
from harness.emulator import Emulator
from harness.postgres import Postgres
from processes.fleet import Fleet, consent
from processes.keys import grants, lines, rotate
from processes.test_key_sources import refused

pytestmark = pytest.mark.needs("postgresql")


def configure(fleet: Fleet, name: str, line: str) -> None:
    folder = fleet.folder / name / ".config" / "partnersam"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f'client_id = "{fleet.emulator.app()["client_id"]}"\n{line}\n')


def test_a_key_is_brought_to_every_host_before_it_is_the_store_s(fleet: Fleet, emulator: Emulator) -> None:
    (partner, _second) = fleet.consents(2)
    one, two = fleet.host("one"), fleet.host("two")
    keys = [fleet.folder / name / "key" for name in ("one", "two")]
    old = lines(keys[0])
    emulator.control(access_token_lifetime=1)
    with one.start("renew", "--watch") as first, two.start("renew", "--watch") as second:
        time.sleep(0.5)
        plan = one("key", "rotate", "--dry-run", "--json").expect().json
        assert (plan["prepares_only"], plan["other_hosts"], plan["grants"]) == (True, True, 2)
        assert lines(keys[0]) == old
        prepared = rotate(one)
        assert (prepared["prepared_only"], prepared["moved"]) == (True, 0)
        both = lines(keys[0])
        assert (len(both), both[0]) == (2, old[0])
        two("token", partner, "--for", "graph", "--fresh").expect()
        shutil.copy(*keys)
        done = rotate(one)
        assert (done["moved"], done["old_key_removed"], done["other_hosts"]) == (2, True, True)
        assert (lines(keys[0]), lines(keys[1])) == (both[1:], both)
        for host in (one, two):
            host("token", partner, "--for", "graph", "--fresh").expect()
            host("renew", partner).expect()
        assert two("key", "retire", "--json").expect().json["old_key_removed"]
        assert lines(keys[1]) == both[1:]
        two("renew", partner).expect()
        for renewer in (first, second):
            assert renewer.running, renewer.last_words()
            renewer.signal(signal.SIGTERM)
            assert renewer.wait(30) == 0, renewer.stderr
            assert "StoreKeyWrong" not in renewer.stderr
            assert "StoreCorrupt" not in renewer.stderr


def test_a_host_that_was_left_out_is_told_what_to_bring(fleet: Fleet) -> None:
    (partner,) = fleet.consents(1)
    one, two = fleet.host("one"), fleet.host("two")
    rotate(one)
    assert rotate(one)["moved"] == 1
    error = refused(two("token", partner, "--for", "graph", "--fresh", "--json"))
    assert (error["id"], "key rotate" in error["hint"]) == ("StoreKeyWrong", True)
    shutil.copy(fleet.folder / "one" / "key", fleet.folder / "two" / "key")
    two("token", partner, "--for", "graph", "--fresh").expect()


def test_a_key_in_a_vault_is_changed_for_all_hosts_at_once(fleet: Fleet) -> None:
    fleet.key.unlink()
    hosts = [fleet.host(name) for name in ("one", "two")]
    for name in ("one", "two"):
        configure(fleet, name, 'key = "keyvault://emulator"')
    tenant = consent(hosts[0], fleet.emulator)
    with hosts[1].start("renew", "--watch") as watching:
        time.sleep(0.5)
        done = rotate(hosts[0])
        assert (done["moved"], done["prepared_only"], done["other_hosts"]) == (1, False, False)
        for host in hosts:
            host("token", tenant, "--for", "graph", "--fresh").expect()
        assert watching.running, watching.last_words()


def test_a_passphrase_is_known_everywhere_and_makes_another_key_for_all(fleet: Fleet, postgres: Postgres) -> None:
    fleet.key.unlink()
    # A store that has no key yet: the passphrase makes the first.
    fleet.store = postgres.database()
    word = fleet.folder / "passphrase"
    word.touch(mode=0o600)
    word.write_text("only a test passphrase\n")
    canary.know("a store", "only a test passphrase")
    for name in ("one", "two"):
        configure(fleet, name, f'key = "passphrase"\npassphrase_file = "{word}"')
    one, two = fleet.host("one"), fleet.host("two")
    partner = consent(one, fleet.emulator)
    assert one("key", "rotate", "--dry-run", "--json").expect().json["prepares_only"] is False
    done = rotate(one)
    assert (done["moved"], done["prepared_only"], done["old_key_removed"]) == (1, False, True)
    two("token", partner, "--for", "graph", "--fresh").expect()


def test_hosts_change_from_files_of_their_own_to_a_vault(fleet: Fleet) -> None:
    (partner,) = fleet.consents(1)
    prepared = fleet.host("one")("key", "rotate", "--to", "keyvault://emulator", "--json").expect().json
    assert (prepared["prepared_only"], prepared["config_line"]) == (True, 'key = "keyvault://emulator"')
    fleet.key.unlink()
    for name in ("one", "two"):
        configure(fleet, name, prepared["config_line"])
        fleet.host(name)("token", partner, "--for", "graph", "--fresh").expect()
    done = rotate(fleet.host("one"))
    assert (done["moved"], done["prepared_only"], done["other_hosts"]) == (1, False, False)
    for name in ("one", "two"):
        fleet.host(name)("renew", partner).expect()
        assert fleet.host(name)("key", "show", "--json").expect().json["held"] == 1


def test_the_audit_record_of_another_host_goes_on_under_the_new_key(fleet: Fleet) -> None:
    one, two = fleet.host("one"), fleet.host("two")
    audit = fleet.folder / "two" / "audit"
    configure(fleet, "two", f'audit = "{audit}"')
    partner = consent(two, fleet.emulator)
    sealed = (audit / "key").read_bytes()
    rotate(one)
    shutil.copy(fleet.folder / "one" / "key", fleet.folder / "two" / "key")
    assert rotate(one)["moved"] == 1
    two("renew", partner).expect()
    two("audit", "verify").expect()
    assert (audit / "key").read_bytes() != sealed
    # And after another one.
    rotate(one)
    shutil.copy(fleet.folder / "one" / "key", fleet.folder / "two" / "key")
    rotate(one)
    two("audit", "verify").expect()


@pytest.mark.soak(16)
def test_a_kill_in_the_middle_of_a_change_loses_nothing(fleet: Fleet, rounds: int) -> None:
    fleet.consents(4)
    one, two = fleet.host("one"), fleet.host("two")
    before = grants(one)
    cut_short = 0
    length = 0.0
    for number in range(rounds):
        if rotate(one)["prepared_only"]:
            shutil.copy(fleet.folder / "one" / "key", fleet.folder / "two" / "key")
        if not number:
            started = time.monotonic()
            rotate(one)
            length = time.monotonic() - started
            rotate(one)
            shutil.copy(fleet.folder / "one" / "key", fleet.folder / "two" / "key")
        with one.start("key", "rotate") as process:
            time.sleep(1.2 * length * number / rounds)
            process.kill()
        assert grants(two) == before
        resumed = rotate(one)
        if resumed["prepared_only"]:
            # The kill came after the end; another change is begun.
            shutil.copy(fleet.folder / "one" / "key", fleet.folder / "two" / "key")
            rotate(one)
        cut_short += resumed["resumed"]
        assert len(lines(fleet.folder / "one" / "key")) == 1
        assert grants(one) == before
        two("key", "retire").expect()
        assert grants(two) == before
    for partner in before:
        two("renew", partner).expect()
    assert rounds < 64 or cut_short
