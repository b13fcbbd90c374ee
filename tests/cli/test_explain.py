"""`partnersam explain`: codes and pasted errors in words, in any form, without an app."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from harness.cli import Cli
from harness.places import CLI, ROOT

GOLDEN = json.loads((ROOT / "tests/scenarios/explain.golden.json").read_text(encoding="utf-8"))


def test_every_code_is_explained_as_in_every_language(home: Path) -> None:
    cli = Cli(home)
    for case in GOLDEN["cases"]:
        answer = cli("explain", "--json", stdin=case["text"])
        assert answer.json == case["document"], case["text"]
        assert answer.code == (0 if case["document"]["explanations"] else 1)
        assert answer.stdout.count("\n") == 1


def test_a_person_is_told_who_must_act_and_what_to_run(home: Path) -> None:
    answer = Cli(home)("explain", "65001").expect()
    for line in (
        "AADSTS65001: nobody has consented to this app for this audience in that tenant",
        "  who must act: the owner of the partner's service account",
        "  what to do: run `partnersam consent PARTNER --for partner-center,AUDIENCE` and accept",
        "  next command: partnersam consent PARTNER --for partner-center,AUDIENCE",
        "  link: https://login.microsoftonline.com/error?code=65001",
        "  see: TROUBLESHOOTING.md#audience-not-consented",
    ):
        assert line in answer.stdout.splitlines()
    assert "  in a customer's tenant: " in answer.stdout
    assert "Partner Center 900421: " in Cli(home)("explain", "900421").expect().stdout


def test_of_more_codes_than_are_explained_the_person_is_told(home: Path) -> None:
    said = "the text has more codes; these are the first 16"
    codes = [f"AADSTS{number}" for number in range(900500, 900517)]
    assert said in Cli(home)("explain", *codes).expect().stdout.splitlines()
    assert said not in Cli(home)("explain", *codes[:16]).expect().stdout
    assert [Cli(home)("explain", "--json", *codes[:count]).expect().json["more"] for count in (16, 17)] == [False, True]


def test_the_words_of_a_pasted_error_need_no_quotes(home: Path) -> None:
    words = [
        "AADSTS70043:",
        "The",
        "token",
        "has",
        "expired.",
        "Correlation",
        "ID:",
        "00000000-0000-4000-8000-00000000000b",
    ]
    answer = Cli(home)("explain", *words).expect()
    assert "  correlation id: 00000000-0000-4000-8000-00000000000b" in answer.stdout.splitlines()


def test_its_own_errors_are_read_back(cli: Cli) -> None:
    refused = cli("token", "fabrikam.com", "--for", "graph").expect(4)
    assert "ConsentRequired (2001)" in cli("explain", stdin=refused.stderr).expect().stdout
    refused = cli("token", "fabrikam.com", "--for", "graph", "--json").expect(4)
    assert "ConsentRequired (2001)" in cli("explain", stdin=refused.stdout).expect().stdout


def test_several_codes_and_any_log_are_read(home: Path) -> None:
    cli = Cli(home)
    found = cli("explain", "--json", "AADSTS50076", "900421", "65001").expect().json["explanations"]
    assert [each["code"] for each in found] == ["AADSTS50076", "900421", "AADSTS65001"]
    log = home / "error.log"
    text = "AADSTS50076: 多要素認証が必要です"
    for written in (
        text.encode("utf-16"),
        text.encode("cp932"),
        text.encode() + b"\xff\x00",
        b"\n" * 3_000_000 + text.encode(),
    ):
        log.write_bytes(written)
        with log.open("rb") as file:
            run = subprocess.run([CLI, "explain", "--json"], stdin=file, env=cli.env, capture_output=True, check=True)
        assert [each["code"] for each in json.loads(run.stdout)["explanations"]] == ["AADSTS50076"]


def test_what_says_nothing_is_told_as_such(home: Path) -> None:
    answer = Cli(home)("explain", "nothing to see here").expect(1)
    assert not answer.stdout
    assert answer.stderr == "the text has neither a code nor an id\n"


def test_what_a_terminal_would_obey_is_written_out(home: Path) -> None:
    answer = Cli(home)("explain", stdin="AADSTS50076: \u202e\x1b[31m no\n").expect()
    assert "\x1b" not in answer.stdout
    assert "\u202e" not in answer.stdout
