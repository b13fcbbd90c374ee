"""A program that a test starts and that is gone when the test is, whatever happens to the test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from harness.places import logs

START = 30.0
"""Seconds that a program may take until it is ready. Generous: it is a limit for the broken case, not a measure."""


class NotReady(Exception):
    """The program ended, or did not become ready; the message carries the end of what it said."""


def is_running(process: int) -> bool:
    """Whether a process that need not be a child still does anything: one that nobody has asked for its end yet does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Process:
    """A program in a process group of its own, killed with its group at the end, and by the kernel if we are killed.

    What it prints goes to files in the folder of the run, for the reader of a failure and for the search for secrets.
    Start it from a thread that lives as long as it shall: the kernel ends it with the thread that started it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: bytes | None = None,
        keep: str = "outputs",
    ) -> None:
        folder = logs() / keep
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{name}-{os.getpid()}-{time.monotonic_ns()}"
        self.name = name
        self.out_file = folder / f"{stem}.out"
        self.err_file = folder / f"{stem}.err"
        with self.out_file.open("wb") as out, self.err_file.open("wb") as err:
            # setpriv asks the kernel to kill the program when we die, even by kill -9, and then becomes the program.
            self.popen: subprocess.Popen[bytes] = subprocess.Popen(
                ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        if stdin is not None:
            pipe = self.popen.stdin
            assert pipe is not None
            give(pipe, stdin)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def stdout(self) -> str:
        return self.out_file.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.err_file.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def wait_for(self, ready: Path, limit: float = START) -> str:
        """What is in the ready file, as soon as there is a whole line in it."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            if ready.exists() and (text := ready.read_text()).strip().endswith("}"):
                return text
            if not self.running:
                raise NotReady(f"{self.name} ended with {self.popen.returncode}: {self.last_words()}")
            time.sleep(0.01)
        raise NotReady(f"{self.name} was not ready after {limit:g} s: {self.last_words()}")

    def first_line(self, limit: float = START) -> str:
        """The first line of standard output, as soon as it is there: what a program says before it goes on to wait."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            line, end, _ = self.stdout.partition("\n")
            if end:
                return line
            if not self.running:
                raise NotReady(f"{self.name} ended with {self.popen.returncode}: {self.last_words()}")
            time.sleep(0.01)
        raise NotReady(f"{self.name} said nothing for {limit:g} s: {self.last_words()}")

    def wait_until(self, there: Callable[[], bool], what: str, limit: float = START) -> None:
        """Until something is so that the program brings about."""
        until = time.monotonic() + limit
        while not there():
            if not self.running or time.monotonic() > until:
                raise NotReady(f"{what} did not come from {self.name}: {self.last_words()}")
            time.sleep(0.01)

    def wait(self, limit: float = 120.0) -> int:
        """Exit code; a negative one is the signal that ended it. Past the limit it is killed and that is an error."""
        try:
            return self.popen.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NotReady(f"{self.name} did not end within {limit:g} s: {self.last_words()}") from None

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """Ends the program and everything it started, now."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def stop(self, limit: float = 5.0) -> int:
        """Asks politely first, so that a program can tidy up; then ends the group."""
        if self.running:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(limit)
        self.kill()
        return self.popen.returncode

    def last_words(self) -> str:
        return (self.stderr + self.stdout)[-2000:]

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def give(pipe: IO[bytes], data: bytes) -> None:
    """Hands a program its standard input and closes it; a program that does not want it all is no error."""
    with contextlib.suppress(BrokenPipeError):
        pipe.write(data)
        pipe.close()
