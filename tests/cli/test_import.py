"""`partnersam import`: a refresh token from elsewhere, proved before it is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.consents import consent, status
from cli.terminal import Terminal

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator


@pytest.fixture
def token(cli: Cli, emulator: Emulator) -> str:
    """A refresh token of admin@fabrikam.com that partnersam has never seen; the tenant has consented to the app."""
    consent(cli, emulator).expect()
    cli("revoke", "fabrikam.com", "--yes").expect()
    return emulator.seed_grants("admin@fabrikam.com")[0]["refresh_token"]


def test_from_standard_input(cli: Cli, token: str) -> None:
    answer = cli("import", "fabrikam.com", stdin=f"  {token}\n").expect()
    assert answer.stdout.startswith("✔ fabrikam.com  admin@fabrikam.com · MFA yes · ")
    assert "warning: imported: another copy of the token may exist" in answer.stderr
    (grant,) = status(cli)
    assert (grant["taints"], grant["mfa"]) == (["imported"], "yes")
    cli("token", "--for", "graph").expect()


def test_from_a_file(cli: Cli, token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token)
    report = cli("import", "fabrikam.com", "--for", "partner-center,graph", "--file", file, "--json").expect().json
    assert [(each["audience"], each["ok"]) for each in report["audiences"]] == [
        ("partner-center", True),
        ("graph", True),
    ]
    assert report["taints"] == ["imported"]


def test_typed_at_a_terminal_it_is_not_shown(cli: Cli, token: str) -> None:
    with Terminal(cli, "import", "fabrikam.com") as terminal:
        terminal.expect("refresh token (not shown): ")
        terminal.enter(token)
        terminal.expect("admin@fabrikam.com · MFA yes")
        assert terminal.wait() == 0
        assert token[:20] not in terminal.screen


def test_in_an_argument_it_is_refused_and_not_repeated(cli: Cli) -> None:
    secret = "test-only-refresh-token-canary"
    canary.know("the command line", secret)
    answer = cli("import", "fabrikam.com", secret).expect(2)
    assert "must not stand on the command line" in answer.stderr
    assert secret not in answer.stdout + answer.stderr
    for option in ["--from", "--file"]:
        answer = cli("import", "fabrikam.com", option, secret * 10).expect(2)
        assert "must not stand on the command line" in answer.stderr
        assert secret not in answer.stdout + answer.stderr


def test_for_a_purpose(cli: Cli, token: str, tmp_path: Path) -> None:
    cli("import", "fabrikam.com", "--purpose", "billing", stdin=token).expect()
    assert status(cli)[0]["purpose"] == "billing"
    shown = cli("audit", "show", "--operation", "import", "--purpose", "billing", "--json").expect().stdout
    assert [json.loads(line)["outcome"] for line in shown.splitlines()] == ["begun", "ok"]
    declared = tmp_path / "declared.toml"
    declared.write_text('[purposes.onboarding]\naudiences = ["partner-center"]\n')
    with_purposes = cli.with_env(PARTNERSAM_CONFIG=declared)
    refused = with_purposes("import", "fabrikam.com", "--purpose", "billing", "--json", stdin=token)
    assert refused.json["error"]["id"] == "PurposeUnknown"
    report = with_purposes("import", "fabrikam.com", "--purpose", "onboarding", "--json", stdin=token).expect().json
    assert [each["audience"] for each in report["audiences"]] == ["partner-center"]


@pytest.mark.parametrize("given", ["", "\n", "one two", '"quoted"\nlines', "ü"])
def test_what_is_no_token_is_refused_before_it_is_sent(cli: Cli, emulator: Emulator, given: str) -> None:
    cli("import", "fabrikam.com", stdin=given).expect(2)
    assert emulator.requests() == []


def test_a_file_that_is_not_there(cli: Cli) -> None:
    answer = cli("import", "fabrikam.com", "--file", "/no/such/file").expect(2)
    assert "file: /no/such/file" in answer.stderr


def test_one_that_does_not_redeem_is_not_stored(cli: Cli, token: str, emulator: Emulator) -> None:
    emulator.control(revoke="all")
    answer = cli("import", "fabrikam.com", "--json", stdin=token).expect(4)
    assert answer.json["error"]["id"] == "GrantRevoked"
    assert status(cli) == []


def test_one_of_another_partner_is_not_stored(cli: Cli, token: str, emulator: Emulator) -> None:
    answer = cli("import", "northwind.example", stdin=token)
    assert answer.code != 0
    assert status(cli) == []


def test_without_mfa_it_is_not_stored_unless_insisted(cli: Cli, token: str, emulator: Emulator) -> None:
    weak = emulator.seed_grants("legacy@fabrikam.com", mfa=False)[0]["refresh_token"]
    assert cli("import", "fabrikam.com", "--json", stdin=weak).expect(4).json["error"]["id"] == "MfaNotProved"
    assert status(cli) == []
    report = cli("import", "fabrikam.com", "--allow-without-mfa", "--json", stdin=weak).expect().json
    assert sorted(report["taints"]) == ["imported", "without_mfa"]
    # And what was proved stays, whatever comes.
    cli("import", "fabrikam.com", stdin=token).expect()
    refused = cli("import", "fabrikam.com", "--allow-without-mfa", "--json", stdin=weak).expect(4)
    assert json.loads(refused.stdout)["error"]["id"] == "MfaDowngrade"
