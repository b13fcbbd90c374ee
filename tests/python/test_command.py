"""The command line inside the wheel: `python -m partnersam` and the console script."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from python.partner import consent, environment, open_app

import partnersam
from harness.cli import Cli
from harness.emulator import Emulator

CONSOLE_SCRIPT = Path(sys.executable).parent / "partnersam"


@pytest.fixture(params=["module", "script"])
def command(request: pytest.FixtureRequest, emulator: Emulator, home: Path) -> Cli:
    if request.param == "script" and not CONSOLE_SCRIPT.exists():
        pytest.fail(f"the wheel installed no console script: {CONSOLE_SCRIPT}")
    program = (sys.executable, "-m", "partnersam") if request.param == "module" else (CONSOLE_SCRIPT,)
    return Cli(home, environment(emulator, home), program)


def test_it_is_the_command_partnersam(command: Cli) -> None:
    assert command("--version").expect().stdout == f"partnersam {partnersam.__version__}\n"
    assert "Usage: partnersam " in command("--help").expect().stdout
    command("unheard-of").expect(2)


def test_it_shares_the_store_with_the_package(command: Cli, emulator: Emulator, home: Path) -> None:
    command("token", "--for", "graph").expect(4)
    with open_app(emulator, home) as app:
        consent(emulator, app)
        token = app.token("fabrikam.com", "graph").token
    assert command("token", "--for", "graph").expect().stdout == f"{token}\n"
    (grant,) = command("status", "--json").expect().json["grants"]
    assert grant["partner"] == emulator.tenant()["id"]
    child = command("run", "--for", "graph", "--", sys.executable, "-c", "import sys; sys.exit(7)")
    child.expect(7)
