"""A store's key that moves from one source to another: real sources, kills, and both configurations meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from harness import canary
from harness.cli import Answer
from harness.emulator import Emulator
from harness.keyring import Keyring
from processes.keys import lines
from processes.place import Place
from processes.test_key_sources import KEYRING, configure, keys_in, refused


@pytest.fixture
def place(home: Path, emulator: Emulator) -> Place:
    return Place(home, emulator)


def change(place: Place, source: str) -> dict[str, Any]:
    answer: dict[str, Any] = place.cli("key", "rotate", "--to", source, "--json").expect().json
    return answer


def now_with(place: Place, line: str) -> None:
    """The configuration says so from here on."""
    config = place.home / ".config" / "partnersam" / "config.toml"
    kept = [each for each in config.read_text().splitlines() if not each.startswith("key ")] if config.exists() else []
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("\n".join([line, *kept, ""]))


def works(place: Place) -> None:
    place.token("--fresh").expect()
    place.cli("renew", place.partner).expect()
    place.cli("audit", "verify").expect()


def test_from_one_file_to_another(place: Place) -> None:
    old, new = place.home / "store-key", place.home / "elsewhere" / "key"
    before = lines(old)
    plan = place.cli("key", "rotate", "--to", f"file:{new}", "--dry-run", "--json").expect().json
    assert plan["config_line"] == f'key = "file:{new}"'
    assert not new.exists()
    done = change(place, f"file:{new}")
    assert (done["moved"], done["config_line"]) == (1, plan["config_line"])
    assert len(lines(new)) == 1
    assert lines(new) == lines(old) != before
    assert new.stat().st_mode & 0o777 == 0o600
    works(place)
    now_with(place, done["config_line"])
    old.unlink()
    works(place)
    assert place.cli("key", "show", "--json").expect().json["source"] == f"file:{new}"
    # The old key alone opens nothing.
    new.write_text("\n".join([*before, ""]))
    assert refused(place.cli("status", "--json"))["id"] == "StoreKeyWrong"


def test_what_is_to_be_done_by_hand_is_said(place: Place) -> None:
    answer = place.cli("key", "rotate", "--to", f"file:{place.home / 'new'}").expect()
    assert f'by hand: set key = "file:{place.home / "new"}" in the configuration' in answer.stderr
    assert f"until then the store opens with file:{place.home / 'store-key'}" in answer.stderr
    lines(place.home / "new")


@KEYRING
def test_from_the_keyring_to_a_file_and_back(home: Path, emulator: Emulator, keyring: Keyring) -> None:
    place = Place(home, emulator, init=None, env=keyring.env)
    line = change(place, f"file:{home / 'key'}")["config_line"]
    now_with(place, line)
    works(place)
    kept = lines(home / "key")
    # The entry of before is in the way: it may be a key of something else.
    error = place.cli("key", "rotate", "--to", "keyring", "--json").expect(2).json["error"]
    assert (error["id"], "holds a key already" in error["message"]) == ("InvalidArgument", True)
    assert lines(home / "key") == kept
    assert len(keys_in(keyring)) == 1
    works(place)


def test_from_a_passphrase_to_a_vault(home: Path, emulator: Emulator) -> None:
    file = home / "passphrase"
    file.touch(mode=0o600)
    file.write_text("only a test passphrase\n")
    canary.know("a store", "only a test passphrase")
    configure(home, emulator, 'key = "passphrase"', f'passphrase_file = "{file}"')
    place = Place(home, emulator, init=None)
    done = change(place, "keyvault://emulator")
    assert done["config_line"] == 'key = "keyvault://emulator"'
    works(place)
    now_with(place, done["config_line"])
    file.unlink()
    works(place)
    assert place.cli("key", "show", "--json").expect().json["held"] == 1


def test_a_place_where_no_key_can_go_is_refused_before_anything_is_done(place: Place) -> None:
    taken = place.home / "taken"
    place.cli("key", "make", taken).expect()
    kept, before = lines(taken), lines(place.home / "store-key")

    def refusal(source: str) -> str:
        answer: Answer = place.cli("key", "rotate", "--to", source, "--json")
        assert answer.code, answer.stdout
        told: str = answer.json["error"]["id"]
        return told

    assert refusal("passphrase") == "NotSupported"
    assert refusal("credentials-directory:key") == "NotSupported"
    assert refusal(f"file:{place.home / 'store-key'}") == "InvalidArgument"
    assert refusal(f"file:{taken}") == "InvalidArgument"
    assert lines(taken) == kept
    assert lines(place.home / "store-key") == before
    works(place)


@pytest.mark.soak(10)
def test_a_kill_in_the_middle_leaves_a_store_that_opens_and_a_change_that_goes_on(
    home: Path, emulator: Emulator, rounds: int
) -> None:
    place = Place(home, emulator)
    files = [home / "store-key", home / "other-key"]
    started = time.monotonic()
    place.cli("key", "rotate").expect()
    length = time.monotonic() - started
    generation = place.grant()["generation"]
    for number in range(rounds):
        old, new = files
        with place.cli.start("key", "rotate", "--to", f"file:{new}") as process:
            time.sleep(1.2 * length * number / rounds)
            process.kill()
        assert place.grant()["generation"] == generation
        again = place.cli("key", "rotate", "--to", f"file:{new}", "--json")
        if again.code:
            # The kill came after the end: the key is there.
            assert again.json["error"]["id"] == "InvalidArgument"
            place.cli("key", "retire").expect()
        assert len(lines(old)) == 1
        place.token("--fresh").expect()
        generation = place.grant()["generation"]
        now_with(place, f'key = "file:{new}"')
        place.token("--fresh").expect()
        generation = place.grant()["generation"]
        place.cli("key", "retire").expect()
        assert len(lines(new)) == 1
        old.unlink()
        files.reverse()
    assert place.is_sound()
