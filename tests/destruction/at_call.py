"""A program struck at one of its system calls: at which one the test says, and what it finds after is the same each time."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import Cli
from harness.places import TARGET, TESTS

SOURCE = TESTS / "destruction" / "at_call.c"
PROGRAM = TARGET / "test-setup" / "at_call"


@dataclass(frozen=True)
class Call:
    """One system call of a run. `file` is empty where it is none that changes a file."""

    number: int
    name: str
    file: str


def built() -> Path:
    """The program at_call, compiled where it is not. Skips the test by name where it cannot work here."""
    if platform.machine() != "x86_64":
        pytest.skip(f"at_call strikes at system calls of x86-64 only, and this is {platform.machine()}")
    if not PROGRAM.exists() or PROGRAM.stat().st_mtime < SOURCE.stat().st_mtime:
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", PROGRAM, SOURCE], check=True)
    if subprocess.run([PROGRAM, "--", "/bin/true"], check=False).returncode:
        pytest.skip("this machine does not let one program trace another (ptrace)")
    return PROGRAM


def struck(cli: Cli, *how: str | int | Path) -> Cli:
    """The same command under at_call; `how` as at_call.c says."""
    return Cli(cli.home, cli.env, (built(), *map(str, how), "--", *cli.program))


def under(*folders: Path) -> list[str]:
    """Only calls that change a file whose path begins so count."""
    return [part for folder in folders for part in ("--under", str(folder))]


def calls_of(cli: Cli, *arguments: str, stdin: str | None = None, how: tuple[str | int, ...] = ()) -> list[Call]:
    """Runs the command to its end and gives its calls, those that count."""
    file = cli.home / "calls"
    struck(cli, *how, "--list", file)(*arguments, stdin=stdin).expect()
    found = list(read(file))
    file.unlink()
    return found


def read(file: Path) -> Iterator[Call]:
    for line in file.read_text().splitlines():
        number, name, path = [*line.split(" ", 2), ""][:3]
        yield Call(int(number), name, path)


def spread(total: int, wanted: int, offset: int) -> list[int]:
    """So many of the numbers from 1 to total, evenly; all of them, over and over, where more are wanted."""
    if wanted >= total:
        return [1 + number % total for number in range(wanted)]
    return sorted({1 + (offset + number * total // wanted) % total for number in range(wanted)})
