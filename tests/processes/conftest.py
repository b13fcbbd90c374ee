"""Fixtures of the tests with many processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.emulator import Emulator
from harness.postgres import Postgres
from processes.fleet import Fleet
from processes.place import Place, with_an_ended_token


@pytest.fixture
def place(home: Path, emulator: Emulator) -> Place:
    """One partner's grant, with a token for graph whose life has ended; tokens from now on live an hour."""
    return with_an_ended_token(home, emulator)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A database server for the tests of one file."""
    with Postgres() as server:
        yield server


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, postgres: Postgres) -> Fleet:
    """Hosts that share a new database of it."""
    return Fleet(tmp_path, emulator, postgres.database())
