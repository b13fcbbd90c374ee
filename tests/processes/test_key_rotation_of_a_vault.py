"""A new key for a vault's records that several hosts use: real processes, the official client beside them, and kills."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator
from harness.key_vault import official_client
from harness.keyring import Keyring
from processes.fleet import Fleet, consent
from processes.keys import grants, lines, rotate
from processes.test_key_sources import KEYRING, keys_in, refused

KEY = "partnersam-key"


@pytest.fixture
def hosts(tmp_path: Path, emulator: Emulator) -> Fleet:
    """Hosts that share a vault: each has a copy of one key, and a file beside the vault."""
    fleet = Fleet(tmp_path, emulator, "keyvault://emulator")
    for name in ("one", "two"):
        configure(fleet, name)
    return fleet


@pytest.fixture
def hosts_of_a_key_in_the_vault(hosts: Fleet) -> Fleet:
    """The same, and the key is a secret of the vault, too."""
    hosts.key.unlink()
    for name in ("first", "one", "two"):
        configure(hosts, name, 'key = "keyvault://emulator"')
        (hosts.folder / name / "key").unlink(missing_ok=True)
    return hosts


def configure(hosts: Fleet, name: str, lines: str = "") -> None:
    hosts.host(name)
    folder = hosts.folder / name / ".config" / "partnersam"
    folder.mkdir(parents=True, exist_ok=True)
    audit = f'audit = "{hosts.folder / name / "audit"}"'
    (folder / "config.toml").write_text(f'client_id = "{hosts.emulator.app()["client_id"]}"\n{audit}\n{lines}\n')


def bring(hosts: Fleet) -> None:
    shutil.copy(hosts.folder / "one" / "key", hosts.folder / "two" / "key")


def usable(emulator: Emulator) -> dict[str, int]:
    """How many versions of each secret can be read."""
    with official_client(emulator) as others:
        names = [str(each.name) for each in others.list_properties_of_secrets()]
        return {
            name: sum(bool(each.enabled) for each in others.list_properties_of_secret_versions(name)) for name in names
        }


def keys_in_the_vault(emulator: Emulator) -> list[str]:
    with official_client(emulator) as others:
        found = str(others.get_secret(KEY).value).splitlines()
    canary.know("a store", *(line.rpartition(":")[2] for line in found))
    return found


def keys_that_can_be_read(emulator: Emulator) -> set[str]:
    """Of every version of the secret that was not disabled."""
    with official_client(emulator) as others:
        versions = [each for each in others.list_properties_of_secret_versions(KEY) if each.enabled]
        found = [str(others.get_secret(KEY, each.version).value).splitlines() for each in versions]
    keys = {line for each in found for line in each}
    canary.know("a store", *(line.rpartition(":")[2] for line in keys))
    return keys


def works(host: Cli, *partners: str) -> None:
    for partner in partners:
        host("token", partner, "--for", "graph", "--fresh").expect()
        host("renew", partner).expect()


def test_a_key_is_brought_to_every_host_before_it_is_the_vault_s(hosts: Fleet, emulator: Emulator) -> None:
    one, two = hosts.host("one"), hosts.host("two")
    partners = [consent(one, emulator), consent(two, emulator)]
    keys = [hosts.folder / name / "key" for name in ("one", "two")]
    old = lines(keys[0])
    works(two, *partners)
    with one.start("renew", "--watch") as first, two.start("renew", "--watch") as second:
        time.sleep(0.5)
        plan = rotate(one, "--dry-run")
        assert (plan["prepares_only"], plan["other_hosts"], plan["grants"]) == (True, True, 2)
        assert lines(keys[0]) == old
        assert rotate(one)["prepared_only"]
        both = lines(keys[0])
        assert (len(both), both[0]) == (2, old[0])
        told = one("doctor", partners[0], "--json").json["findings"]
        assert [each["level"] for each in told if each["check"] == "store-key"] == ["warn"]
        bring(hosts)
        done = rotate(one)
        assert (done["moved"], done["unreadable"], done["old_key_removed"], done["other_hosts"]) == (2, 0, True, True)
        assert (lines(keys[0]), lines(keys[1])) == (both[1:], both)
        for host in (one, two):
            works(host, *partners)
        assert two("key", "retire", "--json").expect().json["old_key_removed"]
        assert lines(keys[1]) == both[1:]
        works(two, *partners)
        for host in (one, two):
            host("audit", "verify").expect()
        assert one("key", "show", "--json").expect().json["rotation"] == "none"
        for renewer in (first, second):
            assert renewer.running, renewer.last_words()
            renewer.signal(signal.SIGTERM)
            assert renewer.wait(30) == 0, renewer.stderr
            assert "StoreKeyWrong" not in renewer.stderr
            assert "StoreCorrupt" not in renewer.stderr
    assert set(usable(emulator).values()) == {1}
    # The old key opens nothing any more, on either host.
    for host, key in ((one, keys[0]), (two, keys[1])):
        key.write_text("\n".join([*old, ""]))
        assert refused(host("status", "--json"))["id"] == "StoreKeyWrong"


def test_a_host_that_was_left_out_is_told_what_to_bring(hosts: Fleet) -> None:
    (partner,) = hosts.consents(1)
    one, two = hosts.host("one"), hosts.host("two")
    works(two, partner)
    with two.start("renew", "--watch") as watching:
        rotate(one)
        assert rotate(one)["moved"] == 1
        error = refused(two("token", partner, "--for", "graph", "--fresh", "--json"))
        assert (error["id"], "key rotate" in error["hint"]) == ("StoreKeyWrong", True)
        bring(hosts)
        works(two, partner)
        assert watching.running, watching.last_words()


def test_a_key_in_a_vault_is_changed_for_all_hosts_at_once(
    hosts_of_a_key_in_the_vault: Fleet, emulator: Emulator
) -> None:
    hosts = hosts_of_a_key_in_the_vault
    partners = hosts.consents(2)
    one, two = hosts.host("one"), hosts.host("two")
    works(two, *partners)
    before = keys_in_the_vault(emulator)
    with two.start("renew", "--watch") as watching:
        time.sleep(0.5)
        done = rotate(one)
        assert (done["moved"], done["prepared_only"], done["other_hosts"]) == (2, False, False)
        assert done["old_key_removed"]
        after = keys_in_the_vault(emulator)
        assert (len(after), set(after) & set(before)) == (1, set())
        for host in (one, two):
            works(host, *partners)
        assert watching.running, watching.last_words()
    assert set(usable(emulator).values()) == {1}


def test_a_host_that_was_off_through_two_changes_goes_on_with_what_it_has(
    hosts_of_a_key_in_the_vault: Fleet, emulator: Emulator
) -> None:
    hosts = hosts_of_a_key_in_the_vault
    one, two = hosts.host("one"), hosts.host("two")
    partner = consent(two, emulator)
    cached = two("token", partner, "--for", "graph", "--fresh").expect().stdout
    # A rotation that the vault will not hear of for a week.
    two("renew", partner).expect()
    generation = grants(two)
    rotate(one)
    rotate(one)
    assert two("token", partner, "--for", "graph").expect().stdout == cached
    assert grants(two) == generation
    two("audit", "verify").expect()
    works(two, partner)
    two("audit", "verify").expect()


def test_a_passphrase_makes_another_key_for_all(hosts: Fleet, emulator: Emulator) -> None:
    hosts.key.unlink()
    old, new = "the first test passphrase", "the second test passphrase"
    canary.know("a store", old, new)
    word = hosts.folder / "passphrase"
    word.touch(mode=0o600)
    word.write_text(f"{old}\n")
    for name in ("one", "two"):
        configure(hosts, name, f'key = "passphrase"\npassphrase_file = "{word}"')
        (hosts.folder / name / "key").unlink(missing_ok=True)
    one, two = hosts.host("one"), hosts.host("two")
    partner = consent(one, emulator)
    two("token", partner, "--for", "graph").expect()
    done = rotate(one)
    assert (done["moved"], done["prepared_only"], done["old_key_removed"]) == (1, False, True)
    two("token", partner, "--for", "graph", "--fresh").expect()
    word.write_text(f"{old}\n{new}\n")
    assert rotate(one)["moved"] == 1
    word.write_text(f"{new}\n")
    for host in (one, two):
        host("renew", partner).expect()


def test_hosts_change_from_files_of_their_own_to_a_vault(hosts: Fleet) -> None:
    (partner,) = hosts.consents(1)
    one, two = hosts.host("one"), hosts.host("two")
    works(two, partner)
    prepared = rotate(one, "--to", "keyvault://emulator")
    assert (prepared["prepared_only"], prepared["config_line"]) == (True, 'key = "keyvault://emulator"')
    hosts.key.unlink()
    for name in ("one", "two"):
        configure(hosts, name, prepared["config_line"])
        (hosts.folder / name / "key").unlink(missing_ok=True)
        works(hosts.host(name), partner)
    done = rotate(hosts.host("one"))
    assert (done["moved"], done["prepared_only"], done["other_hosts"]) == (1, False, False)
    for name in ("one", "two"):
        works(hosts.host(name), partner)
        assert hosts.host(name)("key", "show", "--json").expect().json["held"] == 1


def test_two_hosts_that_put_a_key_into_a_vault_at_once_agree_on_one(
    hosts_of_a_key_in_the_vault: Fleet, emulator: Emulator
) -> None:
    """Each request takes so long that both have read before either writes."""
    hosts = hosts_of_a_key_in_the_vault
    one, two = hosts.host("one"), hosts.host("two")
    # The first key of all is put there in the same manner.
    emulator.control(delay_ms=100, path=f"/secrets/{KEY}")
    partners = emulator.add_partners(2)
    tokens = [emulator.seed_grants(each["user"]["upn"])[0]["refresh_token"] for each in partners]
    names = [each["tenant"]["id"] for each in partners]
    with (
        one.start("import", names[0], "--for", "graph", stdin=tokens[0]) as first,
        two.start("import", names[1], "--for", "graph", stdin=tokens[1]) as second,
    ):
        assert [first.wait(60), second.wait(60)] == [0, 0], first.stderr + second.stderr
    emulator.control(delay_ms=0)
    for host in (one, two):
        works(host, *names)
    assert keys_that_can_be_read(emulator) == set(keys_in_the_vault(emulator))
    assert len(keys_in_the_vault(emulator)) == 1

    emulator.control(delay_ms=100, path=f"/secrets/{KEY}")
    before = keys_in_the_vault(emulator)
    with one.start("key", "rotate", "--json") as first, two.start("key", "rotate", "--json") as second:
        codes = [first.wait(120), second.wait(120)]
        for process, code in zip((first, second), codes, strict=True):
            # Who was overtaken at the end is told so, and has spoilt nothing.
            assert code == 0 or "StoreConflict" in process.stdout + process.stderr, process.stderr
    assert 0 in codes
    emulator.control(delay_ms=0)
    for host in (one, two):
        works(host, *names)
    rotate(one)
    after = keys_in_the_vault(emulator)
    assert (len(after), set(after) & set(before)) == (1, set())
    assert keys_that_can_be_read(emulator) == set(after)
    for host in (one, two):
        works(host, *names)


def test_a_key_that_another_host_wrote_over_is_found_and_not_disabled(
    hosts_of_a_key_in_the_vault: Fleet, emulator: Emulator
) -> None:
    """As a host leaves it that was held up after it had read, and killed after it had written."""
    hosts = hosts_of_a_key_in_the_vault
    (partner,) = hosts.consents(1)
    one, two = hosts.host("one"), hosts.host("two")
    (old,) = keys_in_the_vault(emulator)
    rotate(one)
    (new,) = keys_in_the_vault(emulator)
    one("key", "make", hosts.folder / "never-used").expect()
    (other,) = lines(hosts.folder / "never-used")
    with official_client(emulator) as others:
        written = others.set_secret(KEY, f"{old}\n{other}\n").properties.version
        for host in (one, two):
            works(host, partner)
        rotate(one)
        assert new not in keys_in_the_vault(emulator)
        works(two, partner)
        # It may be the key that another host is about to use.
        assert others.get_secret(KEY, written).value == f"{old}\n{other}\n"


def test_hosts_of_bare_values_that_share_a_key_go_on(hosts_of_a_key_in_the_vault: Fleet, emulator: Emulator) -> None:
    hosts = hosts_of_a_key_in_the_vault
    for name in ("one", "two"):
        configure(hosts, name, 'key = "keyvault://emulator"\n[vault]\nformat = "plain"')
    one, two = hosts.host("one"), hosts.host("two")
    partner = consent(one, emulator)
    works(two, partner)
    cached = two("token", partner, "--for", "graph", "--fresh").expect().stdout
    for _ in range(2):
        done = rotate(one)
        assert (done["moved"], done["prepared_only"], done["old_key_removed"]) == (0, False, True)
    assert two("token", partner, "--for", "graph").expect().stdout == cached
    for host in (one, two):
        works(host, partner)


@KEYRING
def test_a_host_s_keyring_keeps_the_vault_s_key_alone(tmp_path: Path, emulator: Emulator, keyring: Keyring) -> None:
    hosts = Fleet(tmp_path, emulator, "keyvault://emulator")
    hosts.key.unlink()
    one = hosts.host("one").with_env(**keyring.env)
    (hosts.folder / "one" / "key").unlink(missing_ok=True)
    partner = consent(one, emulator)
    works(one, partner)
    before = keys_in(keyring)
    assert len({bytes(key) for key in before}) == 1, "the file beside the vault has a key of its own"
    assert rotate(one)["prepared_only"]
    assert rotate(one)["moved"] == 1
    after = keys_in(keyring)
    assert {len(key) for key in after} == {32}
    assert not set(after) & set(before)
    works(one, partner)


@pytest.mark.soak(5)
def test_a_kill_in_the_middle_of_a_change_loses_nothing(hosts: Fleet, rounds: int) -> None:
    one, two = hosts.host("one"), hosts.host("two")
    for host in (one, two, one):
        consent(host, hosts.emulator)
    before = grants(one)
    elsewhere = grants(two)
    cut_short = 0
    length = 0.0
    for number in range(rounds):
        if rotate(one)["prepared_only"]:
            bring(hosts)
        if not number:
            started = time.monotonic()
            rotate(one)
            length = time.monotonic() - started
            rotate(one)
            bring(hosts)
        with one.start("key", "rotate") as process:
            time.sleep(1.2 * length * (number + 1) / rounds)
            process.kill()
        assert grants(two) == elsewhere
        resumed = rotate(one)
        if resumed["prepared_only"]:
            # The kill came after the end; another change is begun.
            bring(hosts)
            rotate(one)
        cut_short += resumed["resumed"]
        assert len(lines(hosts.folder / "one" / "key")) == 1
        assert grants(one) == before
        two("key", "retire").expect()
        assert grants(two) == elsewhere
        assert set(usable(hosts.emulator).values()) == {1}
    for partner in before:
        two("renew", partner).expect()
    for host in (one, two):
        host("audit", "verify").expect()
    assert rounds < 64 or cut_short
