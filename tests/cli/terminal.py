"""A person at a terminal: the command on a pseudo terminal that is its controlling one, read and typed to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from types import TracebackType

from harness.cli import Cli
from harness.places import logs

LIMIT = 60.0
"""Seconds that an expected text may take. Generous: it is a limit for the broken case, not a measure."""


class Terminal:
    """`with Terminal(cli, "revoke", "fabrikam.com") as terminal: terminal.expect("?"); terminal.enter("y")`."""

    def __init__(self, cli: Cli, *arguments: object, columns: int = 200) -> None:
        self.screen = ""
        """Everything that was shown so far, echo included."""
        self._keeper, ours = os.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        # The log would be on the screen, too.
        env = {**cli.env, "PARTNERSAM_LOG": "off", "TERM": "xterm"}
        self._file = logs() / "outputs" / f"terminal-{os.getpid()}-{time.monotonic_ns()}.out"
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self.popen: subprocess.Popen[bytes] = subprocess.Popen(
            ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *map(str, [*cli.program, *arguments])],
            env=env,
            cwd=cli.home,
            stdin=ours,
            stdout=ours,
            stderr=ours,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        os.close(ours)

    def expect(self, text: str) -> str:
        """Waits until this was shown since the last call; returns what was shown up to its end."""
        limit = time.monotonic() + LIMIT
        start = self._read_up_to
        while text not in self.screen[start:]:
            assert time.monotonic() < limit, f"{text!r} was not shown: {self.screen!r}"
            if not self._read(0.1) and self.popen.poll() is not None and not self._read(0):
                raise AssertionError(f"ended with {self.popen.returncode} before {text!r} was shown: {self.screen!r}")
        self._read_up_to = self.screen.index(text, start) + len(text)
        return self.screen[start : self._read_up_to]

    _read_up_to = 0

    def enter(self, text: str) -> None:
        """Types this and presses Enter."""
        os.write(self._keeper, text.encode() + b"\r")

    def press(self, key: str) -> None:
        """Presses one key: `\\x03` is Ctrl-C."""
        os.write(self._keeper, key.encode())

    def wait(self) -> int:
        """The exit code, when everything that was shown is read."""
        limit = time.monotonic() + LIMIT
        while self.popen.poll() is None:
            assert time.monotonic() < limit, f"it does not end: {self.screen!r}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.popen.returncode

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._keeper)[3] & termios.ECHO)

    def _read(self, patience: float) -> bool:
        if not select.select([self._keeper], [], [], patience)[0]:
            return False
        try:
            data = os.read(self._keeper, 65536)
        except OSError:
            # The other end is closed.
            return False
        self.screen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        os.close(self._keeper)
        self._file.write_text(self.screen)
