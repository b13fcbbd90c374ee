"""Fixtures for every Python test: each starts one real thing, and ends it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.keyring import Keyring
from harness.oidc_provider import OidcProvider
from harness.places import MISSING

IN_CI = os.environ.get("CI") == "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=None, help="how often a test marked soak repeats (default: its own)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test by name where setup could not install what it needs; in CI, where everything can be, fails it."""
    missing: dict[str, str] = json.loads(MISSING.read_text()) if MISSING.exists() else {}
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if name in missing:
                reason = f"{item.nodeid}: {name} is not installed: {missing[name]}"
                pytest.fail(reason, pytrace=False) if IN_CI else pytest.skip(reason)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home directory."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def keyring(home: Path) -> Iterator[Keyring]:
    """An unlocked Secret Service whose HOME is the test's home directory."""
    with Keyring(home) as started:
        yield started


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OidcProvider]:
    """The OAuth server that nobody here wrote, one for all tests: they share no grant unless they want to."""
    with OidcProvider() as started:
        yield started
