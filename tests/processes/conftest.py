"""Fixtures of the tests with many processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.emulator import Emulator
from processes.place import Place, with_an_ended_token


@pytest.fixture
def place(home: Path, emulator: Emulator) -> Place:
    """One partner's grant, with a token for graph whose life has ended; tokens from now on live an hour."""
    return with_an_ended_token(home, emulator)
