"""Moving in from Python: the same documents as on the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from python.partner import consent, open_app

from harness import canary
from harness.emulator import Emulator
from partnersam import CallerError, IdentityError, aio


def settings(emulator: Emulator, token: str) -> str:
    return f'APP_ID={emulator.app()["client_id"]}\nMFA_METHOD=manually\nREFRESH_TOKEN="{token}"\nADMIN_PASSWORD=not-a-real-password\n'


def test_a_grant_moves_in_and_its_old_place_is_emptied(emulator: Emulator, home: Path, tmp_path: Path) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
        app.revoke("fabrikam.com")
        token = emulator.seed_grants("admin@fabrikam.com")[0]["refresh_token"]
        canary.know("the old tool", token)
        file = tmp_path / ".env"
        file.write_text(settings(emulator, token))

        plan = app.plan_import("fabrikam.com", file)
        assert (plan["is_empty"], plan["token_at"]) == (False, f"{file}, field REFRESH_TOKEN")
        assert plan["leftovers"] == [{"kind": "password", "place": f"{file}, field ADMIN_PASSWORD"}]
        assert app.grants() == []

        # What is in memory moves in as well, and has nowhere to be purged from.
        with pytest.raises(CallerError, match="nowhere to be purged"):
            app.import_from("fabrikam.com", file.read_bytes(), purge=True)
        kept = app.import_from("fabrikam.com", file.read_bytes(), ["graph"])
        assert (kept["mfa"], kept["moved_in"]["purged"]) == ("yes", None)
        assert [each.taints for each in app.grants()] == [["imported"]]

        moved = asyncio.run(aio.PartnerApp(app).import_from("fabrikam.com", str(file), ["graph"], purge=True))
        assert moved["moved_in"]["purged"] == {"done": True, "words": "blanked", "error": None}
        assert file.read_text() == settings(emulator, "")
        again = app.import_from("fabrikam.com", str(file), purge=True)
        assert (again["moved_in"]["stored_before"], again["moved_in"]["purged"]["done"]) == (True, True)

        file.write_text(
            settings(emulator, token).replace(emulator.app()["client_id"], emulator.app("csp")["client_id"])
        )
        with pytest.raises(CallerError) as refused:
            app.import_from("fabrikam.com", file)
        assert refused.value.id == "GrantOfAnotherApp"
        emulator.control(revoke="all")
        file.write_text(settings(emulator, token))
        with pytest.raises(IdentityError):
            app.import_from("fabrikam.com", file, purge=True)
        assert token in file.read_text()
        for call in ({"vault_identity": "password"}, {"write_back": True}):
            with pytest.raises(CallerError):
                app.import_from("fabrikam.com", file, **call)
