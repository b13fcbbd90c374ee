"""Fixtures for every Python test: each starts one real thing, and ends it."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import Cli
from harness.emulator import Emulator
from harness.keyring import Keyring
from harness.oidc_provider import OidcProvider
from harness.places import MISSING, logs

IN_CI = os.environ.get("CI") == "true"


SURROUNDINGS = re.compile(
    r"(SSL_CERT_|REQUESTS_CA_|CURL_CA_|AZURE_|PARTNERSAM_(?!TEST_)|(https?|all|no|ftp)_proxy$).*", re.IGNORECASE
)
"""What the machine's own settings would change in a client under test: other trust, other proxies, other names."""


TRACE = 5
"""Rust's trace level, as Python's logging numbers it."""


def pytest_configure() -> None:
    # Whoever runs the tests in the background of a shell has Ctrl-C ignored, and every program they start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if SURROUNDINGS.match(name)]:
        del os.environ[name]
    # What the package logs in this very process is searched for secrets like everything else that it says.
    file = logs() / "outputs" / f"python-logging-{os.getpid()}.err"
    file.parent.mkdir(exist_ok=True)
    package = logging.getLogger("partnersam")
    package.addHandler(logging.FileHandler(file, delay=True))
    package.setLevel(TRACE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=None, help="how often a test marked soak repeats (default: its own)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hundreds of rounds may take longer than one test usually may; thousands (`--rounds`) have no limit at all."""
    if config.getoption("rounds") is None:
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.timeout(900))


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
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test marked soak repeats: what its marker says, or what --rounds says instead."""
    asked: int | None = request.config.getoption("rounds")
    marker = request.node.get_closest_marker("soak")
    assert marker is not None, "a test with rounds is marked soak(rounds)"
    return asked or int(marker.args[0])


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator of the test's own, fresh from its samples."""
    with Emulator() as started:
        yield started


@pytest.fixture
def cli(home: Path, emulator: Emulator) -> Cli:
    """The command line, pointed at the test's emulator, with nothing configured and nothing stored yet."""
    return Cli(home, {"PARTNERSAM_EMULATOR": str(emulator.ready_file)})


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
