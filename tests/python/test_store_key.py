"""The store's key and a store's journey to another host, from Python: the same documents as on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from python.partner import consent, open_app

from harness import canary
from harness.emulator import Emulator
from partnersam import CallerError, PartnerApp, StoreError, aio

PASSPHRASE = "only a test passphrase"


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        yield opened


@pytest.fixture
def other(emulator: Emulator, tmp_path: Path) -> Iterator[PartnerApp]:
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    with open_app(emulator, folder) as opened:
        yield opened


def key_of(home: Path) -> list[str]:
    lines = next(home.rglob("*key")).read_text().split()
    canary.know("a store", *(line.rpartition(":")[2] for line in lines))
    return lines


def test_a_store_gets_a_new_key_while_it_is_used(app: PartnerApp, home: Path) -> None:
    status = app.key_status()
    assert (status["schema_version"], status["held"], status["rotation"]) == (1, 1, "none")
    before = key_of(home)
    plan = app.rotate_key(dry_run=True)
    assert (plan["dry_run"], plan["grants"], plan["makes_key"], plan["prepares_only"]) == (True, 1, True, False)
    assert key_of(home) == before
    told: list[tuple[int, int]] = []
    done = app.rotate_key(progress=lambda *numbers: told.append(numbers))
    assert (done["moved"], done["unreadable"], done["old_key_removed"]) == (1, 0, True)
    assert told == [(1, 1)]
    assert key_of(home) != before
    assert app.token("fabrikam.com", "graph").expires_on
    assert app.retire_key()["old_key_removed"] is True


def test_a_key_changes_to_another_source(app: PartnerApp, home: Path, tmp_path: Path) -> None:
    new = tmp_path / "new-key"
    assert app.rotate_key(to=f"file:{new}", dry_run=True)["config_line"] == f'key = "file:{new}"'
    assert not new.exists()
    done = app.rotate_key(to=f"file:{new}")
    assert (done["moved"], done["config_line"]) == (1, f'key = "file:{new}"')
    canary.know("a store", new.read_text().strip().rpartition(":")[2])
    assert new.read_text().split() == key_of(home)
    for wrong in ("passphrase", "nowhere", f"file:{new}"):
        with pytest.raises(CallerError):
            app.rotate_key(to=wrong)


def test_what_a_change_of_keys_cannot_do_is_said(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home, store="memory:") as app:
        for ask in (app.key_status, app.rotate_key, app.retire_key):
            with pytest.raises(CallerError, match="cannot be changed"):
                ask()


def test_a_store_travels_by_a_passphrase(app: PartnerApp, other: PartnerApp, tmp_path: Path) -> None:
    file = tmp_path / "grants.age"
    exported = app.export_store(file, passphrase=PASSPHRASE)
    assert (exported["grants"], exported["file"]) == (1, str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CallerError, match="already"):
        app.export_store(file, passphrase=PASSPHRASE)
    with pytest.raises(StoreError):
        other.import_store(file, passphrase="another test passphrase")
    told: list[dict[str, Any]] = []
    arrived = other.import_store(file, passphrase=PASSPHRASE, progress=told.append)
    assert (arrived["taken"], arrived["kept"]) == (1, 0)
    assert told == arrived["grants"]
    assert told[0]["arrival"] == "came"
    assert other.token("fabrikam.com", "graph").expires_on


def test_who_opens_the_file_is_said_and_never_guessed(app: PartnerApp, tmp_path: Path) -> None:
    file = tmp_path / "grants.age"
    for wrong in ({}, {"recipients": ["age1none"], "passphrase": PASSPHRASE}):
        with pytest.raises(CallerError, match="not clear"):
            app.export_store(file, **wrong)
    for nobody in ({}, {"identity": "none", "passphrase": PASSPHRASE}):
        with pytest.raises(CallerError, match="not clear"):
            app.import_store(file, **nobody)
    with pytest.raises(TypeError):
        app.export_store(file, recipients="age1none")
    assert not file.exists()


def test_an_exception_of_progress_comes_out_when_all_is_done(app: PartnerApp) -> None:
    def fail(done: int, of: int) -> None:
        raise LookupError("test")

    with pytest.raises(LookupError):
        app.rotate_key(progress=fail)
    assert app.key_status()["rotation"] == "none"


def test_the_asynchronous_twin_does_the_same(app: PartnerApp, other: PartnerApp, tmp_path: Path) -> None:
    async def play() -> tuple[list[tuple[int, int]], list[str]]:
        twin, there = aio.PartnerApp(app), aio.PartnerApp(other)
        assert (await twin.key_status())["held"] == 1
        assert (await twin.rotate_key(dry_run=True))["dry_run"]
        told: list[tuple[int, int]] = []
        assert (await twin.rotate_key(progress=lambda *numbers: told.append(numbers)))["moved"] == 1
        assert (await twin.retire_key())["old_key_removed"]
        file = tmp_path / "grants.age"
        assert (await twin.export_store(file, passphrase=PASSPHRASE))["grants"] == 1
        arrivals: list[str] = []
        each = lambda grant: arrivals.append(grant["arrival"])  # noqa: E731
        assert (await there.import_store(file, passphrase=PASSPHRASE, progress=each))["taken"] == 1
        return told, arrivals

    assert asyncio.run(play()) == ([(1, 1)], ["came"])
