"""One stage of a run: a list of commands, watched, timed, counted, and cleaned up after."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from harness.counts import Counts, Reader
from harness.places import ROOT

PR_SET_CHILD_SUBREAPER = 36
GRACE = 5.0
"""Seconds that a process may take to end after the test that started it."""


@dataclass(frozen=True)
class Stage:
    name: str
    about: str
    commands: tuple[str, ...]
    """As one would type them in the repository's root (or `cwd`); no shell reads them."""
    count: Reader | None = None
    """How the output is read. None: the stage prepares, and passes no test by itself; it fails when a command does."""
    is_check: bool = False
    """Each command is one test, passed when it ends with 0."""
    needs: tuple[str, ...] = ()
    """Files of the repository without which the stage has nothing to run: it fails, and says so."""
    minutes: float = 15
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    gate: bool = False
    """Nothing after this stage can run without it."""
    may_be_empty: bool = False


@dataclass
class Outcome:
    stage: Stage
    counts: Counts
    seconds: float
    complaints: list[str]
    """Why the stage failed, beyond the tests that its runner counted."""

    @property
    def good(self) -> bool:
        return self.counts.failed == 0 and not self.complaints


def adopt_orphans() -> None:
    """Makes this process the parent of whatever a test leaves behind, so that it is seen, named and ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl PR_SET_CHILD_SUBREAPER")


def run(stage: Stage, log: Path) -> Outcome:
    """Runs the commands one after the other, goes on after a failing one, and shows what they print as they print it."""
    started = time.monotonic()
    counts, complaints = Counts(), []
    absent = [need for need in stage.needs if not (ROOT / need).exists()]
    if absent:
        complaints.append(f"not there: {', '.join(absent)}")
    with log.open("w", encoding="utf-8") as file:
        for command in () if absent else stage.commands:
            code, lines = watched(shlex.split(command), stage, file, deadline=started + stage.minutes * 60)
            ended = f"ended with {code}: {command}"
            if code is None:
                complaints.append(f"stopped after {stage.minutes:g} minutes: {command}")
            elif stage.count is None:
                counts.passed += stage.is_check and code == 0
                complaints += [ended] if code else []
            else:
                found = stage.count(lines)
                counts.add(found)
                if code and not found.failed:
                    complaints.append(ended)
                elif not code and found.failed:
                    complaints.append(f"counted {found.failed} failures, but {ended}")
                elif not found.ran and not stage.may_be_empty:
                    complaints.append(f"ran no test: {command}")
    complaints += [f"left running: {name}" for name in end_orphans()]
    return Outcome(stage, counts, time.monotonic() - started, complaints)


def watched(command: list[str], stage: Stage, keep: TextIO, deadline: float) -> tuple[int | None, list[str]]:
    """Exit code and lines of one command; no code where the deadline ended it. Its whole process group ends with it."""
    lines: list[str] = []
    try:
        process = subprocess.Popen(
            command,
            cwd=stage.cwd,
            env={**os.environ, **stage.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return 127, lines

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            keep.write(line)
            lines.append(line)

    # In a thread: a process that outlives the command may hold the pipe open for ever.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    code: int | None = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(max(0.0, deadline - time.monotonic()))
    end_group(process.pid)
    process.wait()
    reader.join(GRACE)
    return code, list(lines)


def end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_orphans() -> list[str]:
    """Waits a little for adopted processes to end by themselves, ends the others, and returns what those were."""
    limit = time.monotonic() + GRACE
    while (left := children()) and time.monotonic() < limit:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    named = list(left.values())
    while children():
        time.sleep(0.01)
    return named


def children() -> dict[int, str]:
    """Living children of this process with their command lines; the dead are buried on the way."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        pid = int(entry.name)
        try:
            # The name in brackets may hold anything; the state and the parent follow its last bracket.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and os.waitpid(pid, os.WNOHANG)[0] == 0:
                found[pid] = (entry / "cmdline").read_text().replace("\0", " ").strip() or entry.name
        except (ChildProcessError, FileNotFoundError, ProcessLookupError):
            continue
    return found
