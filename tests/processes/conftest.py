"""Fixtures of the tests with many processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.emulator import Emulator
from processes.place import Place


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hundreds of rounds may take longer than one test usually may; thousands (`--rounds`) have no limit at all."""
    if config.getoption("rounds") is None:
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.timeout(900))


@pytest.fixture
def place(home: Path, emulator: Emulator) -> Place:
    """One partner's grant, with a token for graph whose life has ended; tokens from now on live an hour."""
    emulator.control(access_token_lifetime=1)
    made = Place(home, emulator)
    emulator.control(access_token_lifetime=3600)
    emulator.forget_requests()
    return made
