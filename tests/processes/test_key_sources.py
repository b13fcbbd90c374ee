"""Where the store's key lives, with the real thing each time: a gnome-keyring daemon on a bus of its own, a passphrase, a service's credential."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import canary
from harness.cli import Answer, Cli
from harness.emulator import Emulator
from harness.keyring import Keyring
from harness.places import TESTS, VENV
from processes.place import Place

KEYRING = pytest.mark.needs("dbus-daemon", "gnome-keyring")
FACES = pytest.mark.parametrize("face", ["cli", "python"])
KEYRING_PASSWORD = "only-a-test-password"


@pytest.fixture
def place(home: Path, emulator: Emulator, keyring: Keyring) -> Place:
    """A partner's grant in a store whose key is in the keyring: what is had without saying anything."""
    return Place(home, emulator, init=None, env=keyring.env)


def keys_in(keyring: Keyring) -> list[bytes]:
    program = Cli(keyring.home, keyring.env, (VENV / "bin" / "python", TESTS / "processes" / "read_keyring.py"))
    with program.start("partnersam") as reader:
        assert reader.wait() == 0, reader.stderr
        found = [bytes.fromhex(line) for line in reader.stdout.split()]
        # It shows the keys on purpose: they are searched for in what all others print.
        reader.out_file.unlink()
    canary.know("a store", *(key.hex() for key in found), *(in_base64(key) for key in found))
    return found


def in_base64(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def refused(answer: Answer) -> dict[str, Any]:
    """The error of a command with --json that found no store or no key."""
    error: dict[str, Any] = answer.expect(6).json["error"]
    return error


@KEYRING
@FACES
def test_the_key_lives_in_the_keyring_and_nowhere_else(place: Place, keyring: Keyring, face: str) -> None:
    program = place.program(face)
    first = program(*place.ask(face, "--fresh")).expect().stdout
    assert program(*place.ask(face)).expect().stdout == first
    place.cli("renew", place.partner).expect()

    keys = keys_in(keyring)
    assert [len(key) for key in keys] == [32]
    for file in files_below(place.home):
        content = file.read_bytes()
        for form in (keys[0], keys[0].hex().encode(), in_base64(keys[0]).encode(), base64.b64encode(keys[0])):
            assert form not in content, file


@KEYRING
def test_each_store_has_a_key_of_its_own(place: Place, keyring: Keyring) -> None:
    place.consent("graph", env={"PARTNERSAM_STORE": f"sqlite:{place.home / 'other' / 'grants.db'}"}).expect()
    assert len(set(keys_in(keyring))) == 2


@KEYRING
@FACES
def test_a_restarted_keyring_opens_the_store_and_a_locked_one_does_not(
    home: Path, emulator: Emulator, face: str
) -> None:
    with Keyring(home, KEYRING_PASSWORD) as first:
        place = Place(home, emulator, init=None, env=first.env)
    with Keyring(home, KEYRING_PASSWORD) as second:
        ask(place, face, second.env).expect()
    emulator.forget_requests()
    with Keyring(home, KEYRING_PASSWORD, locked=True) as third:
        answer = ask(place, face, third.env, "--fresh")
        assert answer.code == (6 if face == "cli" else 1)
        assert "StoreKeyLocked" in answer.stderr or "store-key-locked" in answer.stderr
        error = refused(place.cli.with_env(**third.env)("status", "--json"))
        assert error["id"] == "StoreKeyLocked"
    assert place.redemptions() == []


def ask(place: Place, face: str, env: Mapping[str, str], *more: str) -> Answer:
    return place.program(face).with_env(**env)(*place.ask(face, *more))


@KEYRING
def test_a_keyring_that_has_lost_the_key_is_not_given_another(home: Path, emulator: Emulator, tmp_path: Path) -> None:
    """A new key would open nothing, and the old one might come back with a backup."""
    with Keyring(home, KEYRING_PASSWORD) as first:
        place = Place(home, emulator, init=None, env=first.env)
    (tmp_path / "elsewhere").mkdir()
    with Keyring(tmp_path / "elsewhere") as empty:
        env = {**empty.env, "HOME": str(home)}
        assert refused(place.cli.with_env(**env)(*place.ask("cli", "--json")))["id"] == "StoreKeyMissing"
        assert keys_in(empty) == []
    with Keyring(home, KEYRING_PASSWORD) as again:
        ask(place, "cli", again.env).expect()


@KEYRING
def test_a_process_holds_one_connection_and_asks_a_keyring_anew_that_fell(place: Place, keyring: Keyring) -> None:
    """Many clients that come at once have made gnome-keyring's daemon abort: a process is one of them, and no more."""
    program = Cli(place.home, place.env, (VENV / "bin" / "python", TESTS / "processes" / "open_many.py"))
    asked, go, asked_again = place.home / "asked", place.home / "go", place.home / "asked-again"
    keep = Cli(place.home, place.env, (VENV / "bin" / "python", TESTS / "cli" / "keep_in_keyring.py"))
    keep("old tool", "fabrikam", stdin="not-a-real-refresh-token").expect()
    with program.start(asked.name, go.name, asked_again.name, place.partner, "keyring:old tool/fabrikam") as process:
        process.wait_until(asked.exists, "the first answers")
        assert keyring.connections_of(process.pid) == 1
        keyring.kill_daemon()
        go.touch()
        process.wait_until(asked_again.exists, "the answers of a keyring that was started anew")
        assert keyring.connections_of(process.pid) == 1


@KEYRING
def test_a_bus_without_a_secret_service_is_a_missing_key(place: Place, keyring: Keyring) -> None:
    keyring.stop_daemon()
    error = refused(place.cli(*place.ask("cli", "--json")))
    assert error["id"] == "StoreKeyMissing"
    assert "PARTNERSAM_KEY_FILE" in error["hint"]


@FACES
def test_without_a_bus_the_refusal_says_what_to_do(home: Path, emulator: Emulator, face: str) -> None:
    """A server without D-Bus, before anything was stored: no plain text instead, and nothing redeemed that has no place."""
    place = Place(home, emulator, init=None, consented=False)
    error = refused(place.consent("graph", "--json"))
    assert error["id"] == "StoreKeyMissing"
    assert "PARTNERSAM_KEY_FILE" in error["hint"]
    assert place.redemptions() == []
    # As the hint says.
    key_file = home / "store-key"
    place.init("--key-file", key_file)
    (home / ".config" / "partnersam" / "config.toml").unlink()
    place.env["PARTNERSAM_KEY_FILE"] = str(key_file)
    place.consent("graph").expect()
    assert place.program(face)(*place.ask(face)).expect().stdout.count(".") == 2


def configure(home: Path, emulator: Emulator, *lines: str) -> None:
    """A configuration by hand."""
    folder = home / ".config" / "partnersam"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "config.toml").write_text("\n".join([f'client_id = "{emulator.app()["client_id"]}"', *lines, ""]))


@FACES
def test_a_passphrase_opens_the_store_it_made_and_another_does_not(home: Path, emulator: Emulator, face: str) -> None:
    passphrase = "a test passphrase of several words"
    canary.know("a store", passphrase)
    file = home / "passphrase"
    file.touch(mode=0o600)
    file.write_text(f"{passphrase}\n")
    configure(home, emulator, 'key = "passphrase"', f'passphrase_file = "{file}"')
    place = Place(home, emulator, init=None)
    program = place.program(face)
    first = program(*place.ask(face, "--fresh")).expect().stdout
    assert program(*place.ask(face)).expect().stdout == first
    assert all(passphrase.encode() not in stored.read_bytes() for stored in files_below(home / ".local"))

    file.write_text("another test passphrase\n")
    assert refused(place.cli("status", "--json"))["id"] == "StoreKeyWrong"
    file.unlink()
    assert refused(place.cli("status", "--json"))["id"] == "StoreKeyMissing"


@FACES
def test_a_service_s_credential_is_used_where_there_is_one(
    home: Path, emulator: Emulator, tmp_path: Path, face: str
) -> None:
    """As systemd hands it out (LoadCredential=partnersam-key:...): a folder in the environment, and nothing else configured."""
    handed_out = tmp_path / "credentials"
    place = Place(home, emulator, init=("--key-file", handed_out / "partnersam-key"), consented=False)
    (home / ".config" / "partnersam" / "config.toml").unlink()
    place.env["CREDENTIALS_DIRECTORY"] = str(handed_out)
    place.consent("graph").expect()
    assert place.program(face)(*place.ask(face, "--fresh")).expect().stdout.count(".") == 2
    # Another start of the service, without the credential: the store does not open, and no other key takes its place.
    del place.env["CREDENTIALS_DIRECTORY"]
    assert refused(place.cli("status", "--json"))["id"] == "StoreKeyMissing"


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
