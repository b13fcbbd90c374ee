"""Defences that are taken away from outside, by a library that is preloaded: what an experiment finds then shows that it can find something."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.cli import Cli
from harness.places import TARGET, TESTS


def without(defence: str, cli: Cli) -> Cli:
    """The same command without that defence; `defence` is a file of this folder."""
    source = TESTS / "destruction" / f"{defence}.c"
    library = TARGET / "test-setup" / f"{defence}.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        build: list[str | Path] = [
            "cc",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
            library,
            source,
        ]
        subprocess.run(build, check=True)
    return cli.with_env(LD_PRELOAD=library)
