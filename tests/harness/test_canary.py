"""The search for secrets finds them in each way they are written, and says where without repeating them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from harness import canary
from harness.places import TESTS

SECRET = 'test-only+&%"secret'


@pytest.mark.parametrize(
    "line",
    [
        f"client_secret={SECRET}",
        f"body: client_secret={quote_plus(SECRET)}&x=1",
        json.dumps({"secret": SECRET}),
        "authorization: Basic " + base64.b64encode(f"client:{SECRET}".encode()).decode(),
        "authorization: Basic " + base64.urlsafe_b64encode(f"a-client:{SECRET}".encode()).decode(),
        "authorization: Basic " + base64.b64encode(f"my-client:{SECRET}more".encode()).decode(),
    ],
)
def test_a_secret_is_found_in_every_shape(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.err"
    file.write_text(f"first\n{line}\n")
    assert list(canary.search([file], {SECRET: "the client"})) == ["a.err:2: a secret of the client"]


@pytest.mark.parametrize(("name", "finds"), [("cli.err", ["cli.err:1: an access token"]), ("cli.out", [])])
def test_an_access_token_belongs_on_standard_output_alone(tmp_path: Path, name: str, finds: list[str]) -> None:
    file = tmp_path / name
    file.write_text(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2dyYXBoLnRlc3QvIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ\n"
    )
    assert list(canary.search([file], {})) == finds


def test_a_refresh_token_belongs_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "cli.out"
    file.write_text(f"stored 0.emu{'Ab-_' * 12}\n")
    assert list(canary.search([file], {})) == ["cli.out:1: a refresh token of the emulator"]


def test_innocent_text_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.err"
    file.write_text("client_secret=[redacted]\n")
    assert not list(canary.search([file], {SECRET: "the client"}))


def played(logs: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PARTNERSAM_TEST_LOGS": str(logs)}
    return subprocess.run(
        [sys.executable, "-m", "harness.canary"],
        cwd=TESTS,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_stage_fails_on_a_find_and_keeps_it_to_itself(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "cli.err").write_text(f"oh: {SECRET}\n")
    (tmp_path / f"1-{canary.KNOWN}").write_text(json.dumps({"whose": "the client", "value": SECRET}) + "\n")
    done = played(tmp_path)
    assert done.returncode == 1
    assert "cli.err:1: a secret of the client" in done.stdout
    assert SECRET not in done.stdout
    assert done.stdout.splitlines()[-1] == "3 passed, 1 failed"


def test_the_stage_fails_when_there_was_nothing_to_search(tmp_path: Path) -> None:
    done = played(tmp_path)
    assert done.returncode == 1
    assert "outputs of the command line: none" in done.stdout
