"""`partnersam status`, `renew` and `revoke`: the life of grants and its end."""

from __future__ import annotations

from datetime import datetime

import pytest
from cli.consents import status
from cli.terminal import Terminal

from harness.cli import Cli
from harness.emulator import Emulator

GRANT = {
    "partner",
    "name",
    "domains",
    "user_name",
    "user_oid",
    "condition",
    "ended_on",
    "ended_because",
    "mfa",
    "amr",
    "partner_center_mfa",
    "mfa_checked_on",
    "consented_on",
    "last_redeemed_on",
    "expires_on",
    "expires_in",
    "renew_after",
    "audiences",
    "purpose",
    "taints",
    "generation",
}


def test_an_empty_store_is_no_failure(cli: Cli) -> None:
    answer = cli("status").expect()
    assert not answer.stdout
    assert "partnersam consent PARTNER" in answer.stderr
    document = cli("status", "--json").expect().json
    assert set(document) == {
        "schema_version",
        "authority",
        "client_id",
        "store",
        "store_condition",
        "key_rotation",
        "store_error",
        "app_credentials",
        "mfa_refusals",
        "grants",
    }
    assert (document["schema_version"], document["authority"], document["grants"]) == (1, "emulator", [])


def test_the_document_has_every_field_in_its_form(stored: Cli, emulator: Emulator) -> None:
    (grant,) = status(stored)
    assert set(grant) == GRANT
    assert grant["partner"] == emulator.tenant()["id"]
    for name in ("mfa_checked_on", "consented_on", "last_redeemed_on", "expires_on", "renew_after"):
        assert grant[name].endswith("Z")
        datetime.fromisoformat(grant[name].replace("Z", "+00:00"))
    assert isinstance(grant["expires_in"], int)
    assert grant["expires_in"] > 89 * 86400
    assert grant["ended_on"] is None


def test_the_table_has_a_line_a_grant(two_partners: Cli) -> None:
    heading, *lines = two_partners("status").expect().stdout.splitlines()
    assert heading.split() == ["PARTNER", "ACCOUNT", "MFA", "CONDITION", "EXPIRES", "AUDIENCES"]
    assert [line.split()[0] for line in lines] == ["fabrikam.com", "northwind.example"]
    assert all(" active " in line and line.endswith("partner-center graph arm") for line in lines)


def test_one_partner_by_domain_or_id(two_partners: Cli, emulator: Emulator) -> None:
    by_domain, by_id = status(two_partners, "fabrikam.com"), status(two_partners, emulator.tenant()["id"])
    # A second may pass between the two.
    assert [grant.pop("expires_in") > 0 for grant in by_domain + by_id] == [True, True]
    assert by_domain == by_id
    assert [grant["name"] for grant in by_domain] == ["fabrikam.com"]
    missing = two_partners("status", "vendor.example", "--json").expect(4)
    assert missing.json["error"]["id"] == "ConsentRequired"


def test_status_sends_nothing(stored: Cli, emulator: Emulator) -> None:
    emulator._process.kill()
    assert [grant["name"] for grant in status(stored)] == ["fabrikam.com"]


def test_a_grant_that_ended_is_seen_by_a_monitor(stored: Cli, emulator: Emulator) -> None:
    emulator.control(revoke={"upn": "admin@fabrikam.com"})
    stored("renew", "fabrikam.com").expect(4)
    answer = stored("status").expect(4)
    assert "ended (GrantRevoked)" in answer.stdout
    stored("status", "fabrikam.com").expect(4)


def test_colours_only_on_a_terminal_that_wants_them(stored: Cli) -> None:
    with Terminal(stored, "status") as plain:
        assert plain.wait() == 0
        assert "\u001b" not in plain.screen
    with Terminal(stored.with_env(NO_COLOR=""), "status") as coloured:
        assert coloured.wait() == 0
        assert "\u001b[1mPARTNER" in coloured.screen
    assert "\u001b" not in stored.with_env(NO_COLOR="")("status").expect().stdout


def test_renewing_one_partner_gives_it_its_full_life(stored: Cli, emulator: Emulator) -> None:
    (before,) = status(stored)
    answer = stored("renew", "fabrikam.com").expect()
    assert answer.stdout == "✔ fabrikam.com expires in 90 days\n"
    (after,) = status(stored)
    assert after["generation"] > before["generation"]
    assert after["expires_on"] >= before["expires_on"]
    document = stored("renew", "fabrikam.com", "--json").expect().json
    assert (document["renewed"], document["failed"]) == (1, 0)
    assert document["partners"][0]["partner"] == emulator.tenant()["id"]
    assert document["partners"][0]["error"] is None


def test_nothing_is_due_after_a_consent(stored: Cli, emulator: Emulator) -> None:
    emulator.forget_requests()
    for arguments in ((), ("--all-due",)):
        assert stored("renew", *arguments).expect().stdout == "no grant is due\n"
    assert stored("renew", "--json").expect().json == {"schema_version": 1, "renewed": 0, "failed": 0, "partners": []}
    assert emulator.requests() == []


def test_all_that_will_be_due_are_renewed(two_partners: Cli) -> None:
    answer = two_partners("renew", "--within", "30").expect()
    assert answer.stdout == "renewed 2, failed 0\n"
    document = two_partners("renew", "--within", "30", "--json").expect().json
    assert (document["schema_version"], document["renewed"], document["failed"]) == (1, 2, 0)
    assert all(each["expires_on"].endswith("Z") and each["error"] is None for each in document["partners"])


def test_one_partner_s_failure_does_not_stop_the_others(two_partners: Cli, emulator: Emulator) -> None:
    emulator.control(revoke={"upn": "admin@northwind.example"})
    document = two_partners("renew", "--within", "30", "--json").expect(4).json
    assert (document["renewed"], document["failed"]) == (1, 1)
    outcomes = {each["partner"]: each["error"] and each["error"]["id"] for each in document["partners"]}
    assert outcomes == {
        emulator.tenant()["id"]: None,
        emulator.tenant("northwind.example")["id"]: "GrantRevoked",
    }


def test_a_failure_is_told_in_words(two_partners: Cli, emulator: Emulator) -> None:
    emulator.control(revoke={"upn": "admin@northwind.example"})
    answer = two_partners("renew", "--within", "30").expect(4)
    assert answer.stdout == "renewed 1, failed 1\n"
    assert emulator.tenant("northwind.example")["id"] in answer.stderr
    assert "who must act: " in answer.stderr


def test_a_failure_of_the_app_stops_all(two_partners: Cli, emulator: Emulator) -> None:
    emulator.control(secret_expired=True)
    assert two_partners("renew", "--within", "30", "--json").expect(3).json["error"]["id"] == "AppCredentialExpired"


def test_progress_is_for_a_terminal(two_partners: Cli) -> None:
    assert "renewing" not in two_partners("renew", "--within", "30").expect().stderr
    with Terminal(two_partners, "renew", "--within", "30") as terminal:
        assert terminal.wait() == 0
        assert "renewing" in terminal.screen
        assert "renewed 2, failed 0" in terminal.screen


@pytest.mark.parametrize(
    "arguments", [("fabrikam.com", "--within", "3"), ("fabrikam.com", "--all-due"), ("--within", "-1")]
)
def test_renew_usage_errors(cli: Cli, arguments: tuple[str, ...]) -> None:
    cli("renew", *arguments).expect(2)


def test_revoke_removes_the_grant_and_says_what_it_does_not_do(stored: Cli) -> None:
    answer = stored("revoke", "fabrikam.com", "--yes").expect()
    assert answer.stdout.startswith("removed the grant of fabrikam.com from sqlite:")
    assert "the service still honours its refresh token" in answer.stderr
    assert status(stored) == []
    stored("token", "fabrikam.com", "--for", "graph").expect(4)
    assert stored("revoke", "fabrikam.com", "-y").expect().stdout.startswith("there was no grant of fabrikam.com")


def test_revoke_as_json(stored: Cli, emulator: Emulator) -> None:
    document = stored("revoke", "fabrikam.com", "--yes", "--json").expect().json
    assert set(document) == {"schema_version", "partner", "removed", "store", "steps"}
    assert document["steps"] == []
    assert (document["schema_version"], document["partner"], document["removed"]) == (1, emulator.tenant()["id"], True)
    assert stored("revoke", "fabrikam.com", "--yes", "--json").expect().json["removed"] is False


def test_revoke_is_confirmed(stored: Cli) -> None:
    answer = stored("revoke", "fabrikam.com").expect(2)
    assert "hint: add --yes" in answer.stderr
    with Terminal(stored, "revoke", "fabrikam.com") as terminal:
        terminal.expect("remove the grant of fabrikam.com from sqlite:")
        terminal.enter("n")
        terminal.expect("nothing was removed")
        assert terminal.wait() == 1
    with Terminal(stored, "revoke", "fabrikam.com", "--no-input") as terminal:
        assert terminal.wait() == 2
    assert len(status(stored)) == 1
    with Terminal(stored, "revoke", "fabrikam.com") as terminal:
        terminal.expect("[y/N]: ")
        terminal.enter("y")
        terminal.expect("removed the grant")
        assert terminal.wait() == 0
    assert status(stored) == []


def test_ctrl_c_at_a_question_changes_nothing(stored: Cli) -> None:
    with Terminal(stored, "revoke", "fabrikam.com") as terminal:
        terminal.expect("[y/N]: ")
        terminal.press("\x03")
        assert terminal.wait() == 130
    assert len(status(stored)) == 1
