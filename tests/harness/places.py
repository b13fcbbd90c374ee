"""Where things are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
VENV = ROOT / ".venv-test"
TARGET = ROOT / "target"
BUILT = TARGET / "debug"
MISSING = TARGET / "test-setup" / "missing.json"

CLI = BUILT / "partnersam"
EMULATOR = BUILT / "partnersam-emulator"
PRINT_TOKEN = TESTS / "harness" / "print_token.py"
"""The Python package as a program, for tests with many processes."""


def logs() -> Path:
    """The folder of this run: the output of every stage and of every program that a test started."""
    folder = Path(os.environ.get("PARTNERSAM_TEST_LOGS") or TARGET / "test-logs" / "by-hand")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
