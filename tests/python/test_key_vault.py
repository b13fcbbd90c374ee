"""A vault as the store, from Python: two programs on two hosts, and a refusal with every field."""

from __future__ import annotations

from pathlib import Path

import pytest
from python.partner import consent, environment, open_app

from harness.emulator import Emulator
from partnersam import StoreError


def vault(home: Path, name: str) -> dict[str, object]:
    return {"store": "keyvault://python-vault", "vault": {"beside": str(home / name / "vault.db")}}


def test_a_consent_on_one_host_gives_tokens_on_another_until_it_is_revoked(emulator: Emulator, home: Path) -> None:
    environment(emulator, home)
    with open_app(emulator, home, **vault(home, "one")) as one, open_app(emulator, home, **vault(home, "two")) as two:
        consent(emulator, one)
        assert two.token("fabrikam.com", "graph").mfa == "yes"
        one.revoke("fabrikam.com")
        assert two.grants() == []


def test_a_vault_that_refuses_says_by_what(emulator: Emulator, home: Path) -> None:
    environment(emulator, home)
    emulator.control(vaults={"vault": "python-vault", "firewall": True})
    with open_app(emulator, home, **vault(home, "one")) as app, pytest.raises(StoreError) as refused:
        app.token("fabrikam.com", "graph")
    assert (refused.value.id, refused.value.actor) == ("VaultFirewallBlocked", "host_administrator")
    assert (refused.value.service_code, refused.value.http_status) == ("ForbiddenByFirewall", 403)
