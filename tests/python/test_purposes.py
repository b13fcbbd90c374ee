"""Purposes: where some are declared, every token names one, and what lies outside is refused before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from python.partner import GRAPH, consent, open_app, redemptions

import partnersam.aio
from harness.emulator import Emulator
from partnersam import CallerError, PartnerApp

DECLARED: dict[str, Any] = {
    "purpose": "everything",
    "purposes": {
        "everything": {},
        "report": {"audiences": ["graph"], "customers": ["contoso.com"], "own_tenant": False},
        "over": {"expires_on": "2020-01-01"},
    },
}


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home, **DECLARED) as opened:
        consent(emulator, opened)
        yield opened


def test_a_token_kept_for_one_purpose_is_not_found_for_another(app: PartnerApp, emulator: Emulator) -> None:
    kept = app.token("fabrikam.com", "graph")
    assert app.token("fabrikam.com", "graph") is kept
    assert app.token("fabrikam.com", "graph", purpose="everything").token == kept.token
    emulator.forget_requests()
    for purpose, name in (("report", "PurposeForbidden"), ("over", "PurposeExpired"), ("x", "PurposeUnknown")):
        with pytest.raises(CallerError) as refused:
            app.token("fabrikam.com", "graph", purpose=purpose)
        assert refused.value.id == name
    assert redemptions(emulator) == 0


def test_credentials_and_the_asynchronous_twin_have_purposes_too(
    app: PartnerApp, emulator: Emulator, home: Path
) -> None:
    within = app.credential("fabrikam.com", customer="contoso.com", purpose="report")
    assert within.get_token(GRAPH) is within.get_token(GRAPH)
    with pytest.raises(CallerError) as refused:
        app.credential("fabrikam.com", purpose="report").get_token(GRAPH)
    assert refused.value.id == "PurposeForbidden"

    async def twin() -> str:
        async with partnersam.aio.PartnerApp.from_dict(config(emulator, home)) as opened:
            await opened.token("fabrikam.com", "graph", customer="contoso.com", purpose="report")
            with pytest.raises(CallerError) as refused:
                await opened.token("fabrikam.com", "graph", purpose="report")
            return refused.value.id

    assert asyncio.run(twin()) == "PurposeForbidden"


def config(emulator: Emulator, home: Path) -> dict[str, Any]:
    return {"store": f"sqlite:{home / 'store' / 'grants.db'}", "key": f"file:{home / 'store.key'}", **DECLARED}


def test_without_a_default_a_call_must_name_one(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home, purposes=DECLARED["purposes"]) as app, pytest.raises(CallerError) as refused:
        app.token("fabrikam.com", "graph")
    assert (refused.value.id, refused.value.context["purposes"]) == ("PurposeRequired", "everything, over, report")
