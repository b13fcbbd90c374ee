"""What every test of the command line starts from: an emulator, and the command pointed at it with a home of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli.consents import consent

from harness import canary
from harness.cli import Answer, Cli
from harness.emulator import Emulator

Consent = Callable[..., Answer]


@pytest.fixture
def cli(home: Path, emulator: Emulator) -> Cli:
    """The command in an empty home, pointed at the emulator, with a key file instead of a keyring."""
    key = home / "key"
    env = {"PARTNERSAM_EMULATOR": str(emulator.ready_file), "PARTNERSAM_KEY_FILE": str(key)}
    made = Cli(home, env)
    made(
        "init", "--client-id", emulator.app()["client_id"], "--key-file", key, "--config", home / "made-by-init.toml"
    ).expect()
    canary.know("the store", key.read_text().strip().rpartition(":")[2])
    (home / "made-by-init.toml").unlink()
    return made


@pytest.fixture
def stored(cli: Cli, emulator: Emulator) -> Cli:
    """The same with the grant of fabrikam.com in its store."""
    consent(cli, emulator).expect()
    return cli


@pytest.fixture
def two_partners(stored: Cli, emulator: Emulator) -> Cli:
    """The same with a second grant."""
    consent(stored, emulator, "northwind.example", upn="admin@northwind.example").expect()
    return stored
