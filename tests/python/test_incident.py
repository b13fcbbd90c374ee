"""The audit record, revocation with its choices, and the incident, from Python: the same documents as on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from python.partner import consent, open_app

from harness.emulator import Emulator
from partnersam import CallerError, PartnerApp, StoreError, aio

MAY_REVOKE = {"tenant": "fabrikam.com", "resource": "graph", "scopes": ["User.RevokeSessions.All"], "granted": True}


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        emulator.control(consent=MAY_REVOKE)
        yield opened


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in document["steps"]}


def test_the_record_is_checked_and_shown(app: PartnerApp, home: Path) -> None:
    app.token("fabrikam.com", "graph", purpose="nightly report")
    report = app.audit_verify()
    assert (report["whole"], report["faults"]) == (True, [])
    assert app.audit_verify(report["anchor"])["whole"]
    shown = app.audit_show(operation="token", purpose="nightly report", partner="fabrikam.com")
    assert (shown["schema_version"], shown["unreadable"]) == (1, 0)
    assert [(line["outcome"], line["audiences"]) for line in shown["lines"]] == [("ok", ["graph"])]
    assert app.audit_show(since="2999")["lines"] == []
    with pytest.raises(CallerError, match="not a time"):
        app.audit_show(since="yesterday")
    with pytest.raises(CallerError):
        app.audit_verify("not-an-anchor")

    record = next(home.rglob("record.jsonl"))
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join([lines[0].replace("begun", "ended"), *lines[1:]]))
    found = app.audit_verify()
    assert not found["whole"]
    assert found["faults"][0]["line"] == 1


def test_revocation_at_the_service_first(app: PartnerApp, emulator: Emulator) -> None:
    revoked = app.revoke("fabrikam.com", everywhere=True)
    assert revoked["removed"]
    assert outcomes(revoked) == {"tokens": "done", "sessions": "done", "grant": "done"}
    assert len([call for call in emulator.calls(method="POST") if "revokeSignInSessions" in call["path"]]) == 1
    assert app.revoke("fabrikam.com") is False


def test_an_incident_is_planned_and_run(app: PartnerApp, emulator: Emulator, tmp_path: Path) -> None:
    emulator.forget_requests()
    plan = app.plan_incident(["fabrikam.com"], customer_consents=True)
    assert plan["dry_run"]
    assert set(outcomes(plan).values()) == {"planned"}
    assert emulator.requests() == []
    told: list[dict[str, Any]] = []
    evidence = tmp_path / "incident.json"
    done = app.run_incident(["fabrikam.com"], keep_credential=True, evidence=evidence, progress=told.append)
    assert outcomes(done) == {"tokens": "done", "sessions": "done", "grant": "done"}
    assert [step["step"] for step in told] == [step["step"] for step in done["steps"]]
    assert (done["settled"], done["evidence"]) == (True, str(evidence))
    assert evidence.stat().st_mode & 0o777 == 0o600
    assert app.grants() == []


def test_whose_grants_is_said_and_never_guessed(app: PartnerApp) -> None:
    for wrong in ({}, {"partners": ["fabrikam.com"], "all": True}):
        with pytest.raises(CallerError, match="not clear"):
            app.run_incident(**wrong)
    with pytest.raises(TypeError):
        app.plan_incident("fabrikam.com")
    assert len(app.grants()) == 1


def test_an_exception_of_progress_comes_out_when_all_is_done(app: PartnerApp) -> None:
    def fail(step: dict[str, Any]) -> None:
        raise LookupError("test")

    with pytest.raises(LookupError):
        app.run_incident(all=True, keep_credential=True, progress=fail)
    assert app.grants() == []


def test_the_asynchronous_twin_does_the_same(app: PartnerApp) -> None:
    async def play() -> list[str]:
        twin = aio.PartnerApp(app)
        assert (await twin.audit_verify())["whole"]
        assert (await twin.audit_show(operation="consent"))["lines"]
        assert (await twin.plan_incident(all=True))["dry_run"]
        assert twin.store_condition["condition"] == "ok"
        told: list[str] = []
        done = await twin.run_incident(
            ["fabrikam.com"], keep_credential=True, progress=lambda step: told.append(step["step"])
        )
        assert done["settled"]
        assert (await twin.revoke("fabrikam.com", everywhere=True))["removed"] is False
        assert await twin.revoke("fabrikam.com") is False
        return told

    assert asyncio.run(play()) == ["tokens", "sessions", "grant"]


def test_where_nothing_is_recorded_that_is_said(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home, audit="off") as app:
        for ask in (app.audit_verify, app.audit_show):
            with pytest.raises((CallerError, StoreError), match="nothing is recorded"):
                ask()
