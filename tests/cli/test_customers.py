"""`partnersam customers`: listed, planned, applied, cut short and gone on with."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from cli.terminal import Terminal

from harness.cli import Cli
from harness.emulator import Emulator

WANTED = """
display_name = "Test Panel"
[grants]
graph = ["Directory.Read.All", "User.Read"]
arm = ["user_impersonation"]
"""
WINGTIP = "cccccccc-0000-4000-8000-000000000003"
RUN = {
    "schema_version", "operation", "partner", "display_name", "count", "as_desired", "to_change", "no_consent",
    "applied", "proved_before", "failed", "customers",
}  # fmt: skip
ROW = {
    "tenant", "name", "domain", "verdict", "service_principal", "withdrew", "consented", "correlation_ids", "differences", "error",
}  # fmt: skip


@pytest.fixture
def grants(tmp_path: Path) -> Path:
    file = tmp_path / "grants.toml"
    file.write_text(WANTED)
    return file


def posts(emulator: Emulator) -> list[dict[str, Any]]:
    return [call for call in emulator.calls(method="POST") if call["path"].endswith("/applicationconsents")]


def row(document: dict[str, Any], tenant: str) -> dict[str, Any]:
    (found,) = [customer for customer in document["customers"] if customer["tenant"] == tenant]
    return dict(found)


def test_the_list_has_a_line_a_customer(stored: Cli) -> None:
    lines = stored("customers", "list").expect().stdout.splitlines()
    assert len(lines) == 5
    assert [line for line in lines if WINGTIP in line and "wingtip.example" in line]
    document = stored("customers", "list", "fabrikam.com", "--json").expect().json
    assert (set(document), document["count"]) == ({"schema_version", "partner", "count", "customers"}, 5)
    assert {customer["domain"] for customer in document["customers"]} >= {"contoso.com", "wingtip.example"}


def test_a_plan_says_what_differs_and_changes_nothing(stored: Cli, emulator: Emulator, grants: Path) -> None:
    answer = stored("customers", "plan", "fabrikam.com", "--file", grants).expect()
    assert "wingtip.example: no consent yet" in answer.stdout
    assert "graph: +Directory.Read.All +User.Read" in answer.stdout
    assert "graph: -Organization.Read.All" in answer.stdout
    assert answer.stdout.splitlines()[-1] == "5 customers: 0 as wanted, 4 to change, 1 without consent, 0 failed"
    document = stored("customers", "plan", "--file", grants, "--json").expect().json
    assert (set(document), document["operation"], document["no_consent"]) == (RUN, "plan", 1)
    wingtip = row(document, WINGTIP)
    assert (set(wingtip), wingtip["verdict"], wingtip["error"]) == (ROW, "no_consent", None)
    assert {difference["resource"] for difference in wingtip["differences"]} == {"graph", "arm"}
    assert posts(emulator) == []


def test_applying_needs_a_yes_and_then_proves_what_it_did(stored: Cli, emulator: Emulator, grants: Path) -> None:
    apply = ("customers", "apply", "fabrikam.com", "--file", grants)
    for more in ([], ["--json"], ["--no-input"]):
        refused = stored(*apply, *more).expect(2)
        assert "--yes" in refused.stdout + refused.stderr
    assert posts(emulator) == []
    document = stored(*apply, "--yes", "--json").expect().json
    assert (set(document), document["applied"], document["failed"]) == (RUN, 5, 0)
    assert row(document, WINGTIP)["consented"] == ["graph", "arm"]
    assert row(document, WINGTIP)["withdrew"] is False
    plan = stored("customers", "plan", "fabrikam.com", "--file", grants).expect()
    assert plan.stdout.splitlines() == ["5 customers: 5 as wanted, 0 to change, 0 without consent, 0 failed"]
    stored("token", "fabrikam.com", "--for", "arm", "--customer", WINGTIP).expect()


def test_at_a_terminal_the_plan_is_shown_before_the_question(stored: Cli, emulator: Emulator, grants: Path) -> None:
    apply = ("customers", "apply", "fabrikam.com", "--file", str(grants), "--customer", "wingtip.example")
    with Terminal(stored, *apply) as terminal:
        terminal.expect("change 1 of 1 customers")
        terminal.enter("n")
        assert terminal.wait() == 1
    assert "no consent yet" in terminal.screen
    assert posts(emulator) == []
    with Terminal(stored, *apply) as terminal:
        terminal.expect("change 1 of 1 customers")
        terminal.enter("y")
        assert terminal.wait() == 0
    assert "consented to graph, arm" in terminal.screen
    assert len(posts(emulator)) == 2


def test_a_refusal_is_told_in_words_with_who_must_act(stored: Cli, emulator: Emulator, grants: Path) -> None:
    emulator.control(customers={"customer": "wingtip.example", "gdap_role": False})
    one = ("customers", "apply", "fabrikam.com", "--file", grants, "--customer", "wingtip.example", "--yes")
    answer = stored(*one).expect(1)
    assert "who must act: an administrator of the partner's tenant" in answer.stderr
    assert "GDAP security group" in answer.stderr
    assert (
        f"partnersam customers apply {emulator.tenant()['id']} --file grants.toml --customer {WINGTIP}" in answer.stderr
    )
    error = row(stored(*one, "--json").expect(1).json, WINGTIP)["error"]
    assert (error["id"], error["service_code"], error["actor"]) == (
        "PartnerCenterForbidden", "900308", "partner_administrator",
    )  # fmt: skip
    emulator.control(customers={"customer": "wingtip.example", "gdap_role": True, "blocked": True})
    assert stored(*one).expect(4).stderr.count("Conditional Access") >= 1


def test_every_change_and_refusal_has_the_id_that_the_service_s_log_has(
    stored: Cli, emulator: Emulator, grants: Path
) -> None:
    one = ("customers", "apply", "fabrikam.com", "--file", grants, "--customer", "wingtip.example", "--yes")
    emulator.control(customers={"customer": "wingtip.example", "blocked": True})
    told = stored(*one).expect(4).stderr
    refused = row(stored(*one, "--json").expect(4).json, WINGTIP)["error"]
    log = [call["correlation_id"] for call in posts(emulator)]
    assert f"correlation id: {log[0]}" in told
    assert refused["correlation_id"] == log[1]
    emulator.control(customers={"customer": "wingtip.example", "blocked": False})
    done = row(stored(*one, "--json").expect().json, WINGTIP)
    log = [call["correlation_id"] for call in posts(emulator)]
    assert done["correlation_ids"] == log[2:]
    record = stored("audit", "show", "--operation", "customers", "--json").expect().stdout.splitlines()
    lines = [line for line in map(json.loads, record) if line["outcome"] != "begun"]
    assert [line["correlation_id"] for line in lines] == [log[0], log[1], log[-1]]
    assert lines[-1]["note"] == f"earlier changes: {' '.join(log[2:-1])}"


def test_a_grants_file_that_is_none_is_refused_before_anything_is_sent(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "grants.toml"
    missing = cli("customers", "plan", "--file", file, "--json").expect(3)
    assert missing.json["error"]["id"] == "ConfigMissing"
    for text, word in [
        ("[grants\n", "line 1"),
        ("display_name = 'x'\n[grants]\ngrph = ['User.Read']", "grph"),
        ("display_name = 'x'\n[grants]\ngraph = ['.default']", "grants.graph"),
        ("{", "JSON"),
    ]:
        file.write_text(text)
        error = cli("customers", "plan", "--file", file, "--json").expect(3).json["error"]
        assert error["id"] == "ConfigInvalid"
        assert word in error["message"]


def test_a_killed_run_goes_on_without_repeating_what_was_proved(
    stored: Cli, emulator: Emulator, grants: Path, tmp_path: Path
) -> None:
    count = 120
    emulator.add_customers(count)
    journal = tmp_path / "progress" / "test.jsonl"
    apply = ("customers", "apply", "fabrikam.com", "--file", grants, "--journal", journal, "--yes")
    process = stored.start(*apply)
    until = time.monotonic() + 60
    while not journal.exists() or journal.read_text().count('"proved"') < 20:
        assert time.monotonic() < until, "nothing was proved within a minute"
        time.sleep(0.01)
    process.kill()
    proved = [line.split('"proved":"')[1][:36] for line in journal.read_text().splitlines() if '"proved":"' in line]
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    emulator.forget_calls()
    document = stored(*apply, "--json").expect().json
    assert (document["count"], document["failed"]) == (count + 5, 0)
    assert document["proved_before"] == len(set(proved))
    asked = {call["path"].split("/")[3] for call in posts(emulator)}
    assert asked.isdisjoint(proved)
    assert not journal.exists()
    assert stored("customers", "plan", "--file", grants, "--json").expect().json["as_desired"] == count + 5
