"""Moving in: the forms that other tools keep a refresh token in, and what becomes of the old one."""

from __future__ import annotations

import fcntl
import json
import random
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from cli.consents import status, until
from cli.old_tool import OTHER_APP, PASSWORD, env_file, forms, keep, record, seeded, unknown_token
from cli.terminal import Terminal

from harness.cli import Cli
from harness.emulator import Emulator
from harness.key_vault import official_client
from harness.keyring import Keyring


@pytest.fixture
def token(cli: Cli, emulator: Emulator) -> str:
    return unknown_token(cli, emulator)


def test_every_form_moves_in_and_stays_as_it_is(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    for name, text in forms(emulator, token).items():
        file = home / name
        file.write_bytes(text.encode("utf-16") if name == "saved.xml" else text.encode())
        before = file.read_bytes()
        answer = cli("import", "fabrikam.com", "--for", "graph", "--file", file).expect()
        assert "MFA yes" in answer.stdout, name
        assert f"may be deleted now: {file}" in answer.stdout, name
        assert file.read_bytes() == before, name
        (grant,) = status(cli)
        assert grant["taints"] == ["imported"]
        cli("revoke", "fabrikam.com", "--yes").expect()


def test_every_form_is_purged_of_the_token_alone(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    for name, text in forms(emulator, token).items():
        file = home / name
        file.write_bytes(text.encode())
        answer = cli("import", "fabrikam.com", "--for", "graph", "--file", file, "--purge", "--yes").expect()
        assert f"purged: {file}" in answer.stdout, name
        if name == "token.txt":
            assert not file.exists()
            continue
        left = text.replace(token, "")
        if name == "saved.txt":
            left = text.replace(f"{token[:40]}\r\n               {token[40:]}", "")
        assert file.read_bytes().decode() == left, name
        again = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
        assert "was moved in before" in again.stdout, name
    cli("audit", "verify").expect()


def test_a_field_is_blanked_with_mode_kept_and_evidence_left(
    cli: Cli, emulator: Emulator, token: str, home: Path
) -> None:
    file = env_file(home, emulator, token, ADMIN_PASSWORD=PASSWORD)
    before = file.read_bytes()
    dry = cli("import", "fabrikam.com", "--file", file, "--purge", "--dry-run").expect()
    assert f"refresh token: {file}, field REFRESH_TOKEN (would be removed after the proof)" in dry.stdout
    assert file.read_bytes() == before
    assert status(cli) == []

    # By its name alone, and told of with the whole path.
    answer = cli("import", "fabrikam.com", "--from", file.name, "--purge", "--yes").expect()
    assert f"purged: {file}, field REFRESH_TOKEN: blanked" in answer.stdout
    assert (
        f"left over: {file}, field ADMIN_PASSWORD: a password, which was neither used nor stored: delete it"
        in answer.stdout
    )
    assert f"left over: {file}, field APP_SECRET: a secret" in answer.stdout
    assert "stays good at Microsoft" in answer.stderr
    assert file.read_bytes() == before.replace(token.encode(), b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [each.name for each in home.glob(".env*")] == [".env"]
    begun, done = record(cli, "purge")
    assert (begun["outcome"], done["outcome"], done["began"]) == ("begun", "ok", begun["seq"])
    assert done["note"] == f"{file}, field REFRESH_TOKEN: blanked"
    assert done["partner"] == emulator.tenant()["id"]


def test_what_is_wrong_with_a_form_is_told_before_anything_is_sent(
    cli: Cli, emulator: Emulator, home: Path, tmp_path: Path
) -> None:
    token = "0.emu-not-a-real-token"
    for more, kind, code in [
        ({"APP_ID": OTHER_APP}, "GrantOfAnotherApp", 3),
        ({"CLIENT_ID": OTHER_APP}, "InvalidArgument", 2),
        ({"MFA_METHOD": "by phone"}, "InvalidArgument", 2),
        ({"PARTNER_REFRESH_TOKEN": "0.emu-not-another-real-token"}, "InvalidArgument", 2),
        ({"KEYVAULT_URL": "https://fabrikam.vault.azure.net", "MFA_METHOD": ""}, "InvalidArgument", 2),
    ]:
        file = env_file(home, emulator, token, **more)
        before = file.read_bytes()
        refused = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json").expect(code).json["error"]
        assert refused["id"] == kind, more
        assert file.read_bytes() == before
    assert emulator.requests() == []
    key = home / "key"
    refused = cli("import", "fabrikam.com", "--file", key, "--json").expect(2).json["error"]
    assert "key of a store" in refused["message"]
    sealed = tmp_path / "saved.xml"
    sealed.write_text('<Objs><Obj><Props><SS N="RefreshToken">01000000d08c9ddf0115d1118c7a</SS></Props></Obj></Objs>')
    refused = cli("import", "fabrikam.com", "--file", sealed, "--json").expect(1).json["error"]
    assert (refused["id"], "Import-Clixml" in refused["hint"]) == ("NotSupported", True)
    assert emulator.requests() == []


def test_a_form_of_another_partner_is_refused(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    file = env_file(home, emulator, token)
    emulator.forget_requests()
    refused = cli("import", "northwind.example", "--file", file, "--json").expect(2).json["error"]
    assert "another partner" in refused["message"]
    assert not [each for each in emulator.requests() if each["path"].endswith("/token")]


@pytest.mark.parametrize("weak", ["revoked", "without mfa", "stored without mfa", "another app's"])
def test_without_proof_every_source_is_left_as_it_is(
    weak: str, cli: Cli, emulator: Emulator, token: str, home: Path
) -> None:
    more: list[str] = []
    code = 4
    match weak:
        case "revoked":
            emulator.control(revoke="all")
        case "without mfa":
            token = seeded(emulator, mfa=False)
        case "stored without mfa":
            token = seeded(emulator, mfa=False)
            more, code = ["--allow-without-mfa"], 1
        case _:
            token = seeded(emulator, profile="csp")
    file, bare = env_file(home, emulator, token), home / "token.txt"
    bare.write_text(token)
    with official_client(emulator) as vault:
        vault.set_secret("RefreshToken", token)
        for source in [str(file), str(bare), "keyvault://emulator"]:
            answer = cli("import", "fabrikam.com", "--from", source, "--purge", "--yes", *more)
            assert answer.code == code if weak != "another app's" else answer.code != 0, answer.stderr
            if weak == "stored without mfa":
                assert "warning" in answer.stderr
                assert (
                    "old token was left"
                    in cli("import", "fabrikam.com", "--from", source, "--purge", "--yes", *more, "--json").json[
                        "moved_in"
                    ]["purged"]["error"]["causes"][0]
                )
        assert vault.get_secret("RefreshToken").value == token
    assert (token in file.read_text(), bare.read_text()) == (True, token)
    assert record(cli, "purge") == []


def test_a_purge_is_asked_for_and_never_assumed(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    file = env_file(home, emulator, token)
    before = file.read_bytes()
    assert "add --yes" in cli("import", "fabrikam.com", "--file", file, "--purge").expect(2).stderr
    cli("import", "fabrikam.com", "--purge", "--yes", stdin=token).expect(2)
    cli("import", "fabrikam.com", "--file", file, "--purge", "--write-back").expect(2)
    cli("import", "fabrikam.com", "--file", file, "--write-back").expect(2)
    with Terminal(cli, "import", "fabrikam.com", "--file", file, "--purge") as terminal:
        terminal.expect("field REFRESH_TOKEN? [y/N]")
        terminal.enter("n")
        assert terminal.wait() == 1
    assert status(cli) == []
    assert file.read_bytes() == before
    with Terminal(cli, "import", "fabrikam.com", "--file", file, "--purge") as terminal:
        terminal.expect("[y/N]")
        terminal.enter("y")
        terminal.expect("blanked")
        assert terminal.wait() == 0
        assert token not in terminal.screen
    assert token not in file.read_text()


def test_without_a_record_nothing_is_purged(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    file = env_file(home, emulator, token)
    config = home / "off.toml"
    config.write_text('audit = "off"\n')
    off = cli.with_env(PARTNERSAM_CONFIG=config)
    refused = off("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json").expect(1).json["error"]
    assert (refused["id"], "evidence" in refused["message"]) == ("NotSupported", True)
    assert token in file.read_text()
    assert status(cli) == []


def test_a_record_that_fails_in_between_keeps_the_token(cli: Cli, emulator: Emulator, token: str, home: Path) -> None:
    """The import begins on record; when it comes to the purge somebody else holds the record and does not let go."""
    file = env_file(home, emulator, token)
    emulator.control(delay_ms=1500, path="partner_center")
    folder = Path(status_document(cli)["store"].removeprefix("sqlite:") + ".audit")
    lines = (folder / "record.jsonl").read_text().count("\n")
    with cli.start("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json") as process:
        until(process, lambda: "begun" if (folder / "record.jsonl").read_text().count("\n") > lines else "")
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            code = process.wait()
        error = json.loads(process.stdout)["moved_in"]["purged"]["error"]
    assert (code, error["id"]) == (1, "OldTokenRemains")
    assert "could not be recorded" in error["message"]
    assert token in file.read_text()
    emulator.control(delay_ms=0, path="partner_center")
    assert [each["condition"] for each in status(cli)] == ["active"]
    cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
    assert token not in file.read_text()


def status_document(cli: Cli) -> dict[str, Any]:
    document: dict[str, Any] = cli("status", "--json").expect().json
    return document


@pytest.mark.soak(12)
def test_a_kill_at_any_moment_leaves_the_token_in_one_place_at_least(
    cli: Cli, emulator: Emulator, token: str, home: Path, rounds: int
) -> None:
    chance = random.SystemRandom()
    file = env_file(home, emulator, token)
    before, blanked = file.read_bytes(), file.read_bytes().replace(token.encode(), b"")
    command = ["import", "fabrikam.com", "--for", "graph", "--file", str(file), "--purge", "--yes"]
    started = time.monotonic()
    cli(*command).expect()
    length = time.monotonic() - started
    for _ in range(rounds):
        cli("revoke", "fabrikam.com", "--yes").expect()
        file.write_bytes(before)
        with cli.start(*command) as process:
            time.sleep(chance.uniform(0.3, 1.1) * length)
            process.kill()
        found = file.read_bytes()
        assert found in (before, blanked)
        if found == blanked:
            assert [each["condition"] for each in status(cli)] == ["active"]
        cli(*command).expect()
        assert file.read_bytes() == blanked
        assert sorted(each.name for each in home.glob(".env*")) == [".env"]
    cli("audit", "verify").expect()


def test_what_cannot_be_removed_is_told_and_the_grant_is_stored(
    cli: Cli, emulator: Emulator, token: str, home: Path
) -> None:
    file = env_file(home, emulator, token)
    before = file.read_bytes()
    (home / "second-name").hardlink_to(file)
    answer = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect(1)
    assert "warning: the grant is stored, and the old refresh token could not be removed" in answer.stderr
    assert "who must act: the administrator of this machine" in answer.stderr
    document = cli("import", "fabrikam.com", "--file", file, "--purge", "--yes", "--json").expect(1).json
    error = document["moved_in"]["purged"]["error"]
    assert (error["id"], "hard links" in error["causes"][0]) == ("OldTokenRemains", True)
    assert document["mfa"] == "yes"
    assert file.read_bytes() == before
    (grant,) = status(cli)
    assert grant["condition"] == "active"
    assert record(cli, "purge")[-1]["outcome"] == "failed"
    (home / "second-name").unlink()
    cli("import", "fabrikam.com", "--file", file, "--purge", "--yes").expect()
    assert token not in file.read_text()


@pytest.mark.needs("dbus-daemon", "gnome-keyring")
def test_an_entry_of_the_keyring(cli: Cli, emulator: Emulator, keyring: Keyring, token: str) -> None:
    entries = cli.with_env(**{name: value for name, value in keyring.env.items() if name != "HOME"})
    keep(keyring, "old tool", "fabrikam", token)
    dry = entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam", "--dry-run").expect()
    assert "refresh token: keyring:old tool/fabrikam" in dry.stdout
    answer = entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam", "--purge", "--yes").expect()
    assert "purged: keyring:old tool/fabrikam: deleted" in answer.stdout
    assert (
        "was moved in before"
        in entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam", "--purge", "--yes").expect().stdout
    )
    entries("import", "fabrikam.com", "--from", "keyring:old tool/fabrikam").expect(2)
    # A store's key is no token: it is neither sent nor removed.
    refused = entries("import", "fabrikam.com", "--from", "keyring:partnersam/x", "--purge", "--yes").expect(2)
    assert "key of a store" in refused.stderr
