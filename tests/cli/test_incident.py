"""`partnersam incident`: steps first, then what is done and what is left to a person."""

from __future__ import annotations

import json
from pathlib import Path

from cli.consents import status

from harness.cli import Cli
from harness.emulator import Emulator

MAY_REVOKE = {"tenant": "fabrikam.com", "resource": "graph", "scopes": ["User.RevokeSessions.All"], "granted": True}


def test_without_yes_the_steps_are_printed_and_nothing_is_done(stored: Cli, emulator: Emulator) -> None:
    emulator.forget_requests()
    answer = stored("incident", "fabrikam.com", "--customer-consents").expect()
    assert [line.split(".")[0].strip() for line in answer.stdout.splitlines()] == list("12345678")
    assert "nothing was sent or changed" in answer.stderr
    assert "reset of the account's password" in answer.stderr
    assert stored("incident", "--all", "--json").expect().json["dry_run"] is True
    assert emulator.requests() == []
    assert [grant["name"] for grant in status(stored)] == ["fabrikam.com"]
    stored("incident").expect(2)


def test_what_was_done_is_told_and_left_as_evidence(stored: Cli, emulator: Emulator, tmp_path: Path) -> None:
    emulator.control(consent=MAY_REVOKE)
    evidence = tmp_path / "incident.json"
    document = (
        stored("incident", "fabrikam.com", "--keep-credential", "--yes", "--json", "--evidence", str(evidence))
        .expect()
        .json
    )
    assert [(step["step"], step["outcome"]) for step in document["steps"]] == [
        ("tokens", "done"),
        ("sessions", "done"),
        ("grant", "done"),
    ]
    assert json.loads(evidence.read_text())["incident"] == document["incident"]
    assert evidence.stat().st_mode & 0o777 == 0o600
    assert status(stored) == []


def test_what_a_person_must_do_is_told_and_no_success(stored: Cli) -> None:
    answer = stored("revoke", "fabrikam.com", "--everywhere", "--yes").expect(4)
    assert "by hand: fabrikam.com: an administrator of that tenant" in answer.stdout
    assert status(stored) == []
