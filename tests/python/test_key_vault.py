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


def test_a_vault_s_records_get_a_new_key_while_two_programs_use_them(emulator: Emulator, home: Path) -> None:
    environment(emulator, home)
    key = {"key": "keyvault://python-vault"}
    with (
        open_app(emulator, home, **vault(home, "one"), **key) as one,
        open_app(emulator, home, **vault(home, "two"), **key) as two,
    ):
        consent(emulator, one)
        assert two.token("fabrikam.com", "graph").mfa == "yes"
        told: list[tuple[int, int]] = []
        assert one.rotate_key(dry_run=True)["prepares_only"] is False
        done = one.rotate_key(progress=lambda *numbers: told.append(numbers))
        assert (done["moved"], done["unreadable"], done["old_key_removed"]) == (1, 0, True)
        assert told == [(1, 1)]
        assert one.key_status()["rotation"] == "none"
        for app in (one, two):
            assert app.token("fabrikam.com", "graph", fresh=True).expires_on
            assert len(app.grants()) == 1


def test_a_vault_that_refuses_says_by_what(emulator: Emulator, home: Path) -> None:
    environment(emulator, home)
    emulator.control(vaults={"vault": "python-vault", "firewall": True})
    with open_app(emulator, home, **vault(home, "one")) as app, pytest.raises(StoreError) as refused:
        app.token("fabrikam.com", "graph")
    assert (refused.value.id, refused.value.actor) == ("VaultFirewallBlocked", "host_administrator")
    assert (refused.value.service_code, refused.value.http_status) == ("ForbiddenByFirewall", 403)
