"""Customers and tokens of the app alone, from Python: the same documents as on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from python.partner import consent, open_app

from harness.emulator import Emulator
from partnersam import CallerError, PartnerApp, aio

WANTED = {
    "display_name": "Test Panel",
    "grants": {"graph": ["Directory.Read.All", "User.Read"], "arm": ["user_impersonation"]},
}
WINGTIP = "cccccccc-0000-4000-8000-000000000003"


@pytest.fixture
def consented(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        yield opened


def test_customers_are_listed_planned_and_applied(consented: PartnerApp, tmp_path: Path) -> None:
    listed = consented.customers()
    assert listed["count"] == len(listed["customers"]) == 5
    told: list[tuple[int, int | None, dict[str, Any]]] = []
    plan = consented.plan_customers("fabrikam.com", WANTED, progress=lambda *each: told.append(each))
    assert (plan["operation"], plan["no_consent"], plan["failed"]) == ("plan", 1, 0)
    assert sorted(done for done, _, _ in told) == [1, 2, 3, 4, 5]
    assert {each["tenant"] for _, _, each in told} == {each["tenant"] for each in plan["customers"]}
    file = tmp_path / "grants.toml"
    file.write_text('display_name = "Test Panel"\n[grants]\ngraph = ["Directory.Read.All", "User.Read"]\n')
    done = consented.apply_customers(None, file, ["wingtip.example"], journal=tmp_path / "private" / "journal.jsonl")
    (customer,) = done["customers"]
    assert (customer["tenant"], customer["verdict"], customer["consented"]) == (WINGTIP, "applied", ["graph"])
    assert consented.token("fabrikam.com", "graph", WINGTIP).tenant == WINGTIP


def test_the_asynchronous_twin_does_the_same(consented: PartnerApp, tmp_path: Path) -> None:
    async def play() -> tuple[dict[str, Any], dict[str, Any], list[int]]:
        told: list[int] = []
        app = aio.PartnerApp(consented)
        listed = await app.customers("fabrikam.com")
        journal = tmp_path / "private" / "journal.jsonl"
        done = await app.apply_customers(
            "fabrikam.com", WANTED, progress=lambda at, _total, _customer: told.append(at), journal=journal
        )
        return listed, done, told

    listed, done, told = asyncio.run(play())
    assert listed["count"] == done["count"] == done["applied"] == 5
    assert sorted(told) == [1, 2, 3, 4, 5]


def test_what_is_no_grants_file_is_refused_by_its_key(consented: PartnerApp, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match=r"grants\.graph"):
        consented.plan_customers("fabrikam.com", {"display_name": "x", "grants": {"graph": "User.Read"}})
    with pytest.raises(CallerError, match="cannot be read"):
        consented.plan_customers("fabrikam.com", tmp_path / "none.toml")
    with pytest.raises(TypeError):
        consented.plan_customers("fabrikam.com", WANTED, "contoso.com")


def test_an_exception_of_progress_comes_out_at_the_end(consented: PartnerApp) -> None:
    def fail(done: int, total: int | None, customer: dict[str, Any]) -> None:
        raise LookupError("test")

    with pytest.raises(LookupError):
        consented.plan_customers("fabrikam.com", WANTED, progress=fail)


def test_a_vendor_s_app_has_no_token_of_its_own_at_a_partner(consented: PartnerApp, emulator: Emulator) -> None:
    before = len(emulator.requests())
    with pytest.raises(CallerError, match="partner's grant") as refused:
        consented.token("fabrikam.com", "graph", app_only=True)
    assert "900329" in refused.value.hint
    with pytest.raises(CallerError):
        asyncio.run(aio.PartnerApp(consented).token("fabrikam.com", "graph", app_only=True))
    assert len(emulator.requests()) == before
