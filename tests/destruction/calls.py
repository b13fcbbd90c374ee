"""A process that uses one token over and over, whatever happens to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from harness.cli import Cli
from harness.places import TESTS
from harness.process import Process

USE_TOKEN = TESTS / "destruction" / "use_token.py"
LONG = 120.0
"""Seconds after which a process that says nothing new is taken for hung. Its own deadlines are shorter."""


class Calls:
    """`with Calls(cli, partner) as calls:`; `calls.seen` is how each call ended so far: `token`, `fresh`, or an error's id."""

    def __init__(self, python: Cli, partner: str) -> None:
        self._python = Cli(python.home, python.env, (*python.program[:-1], USE_TOKEN))
        self._partner = partner

    def __enter__(self) -> Calls:
        self.process: Process = self._python.start(self._partner)
        return self

    @property
    def seen(self) -> list[str]:
        return [how for how, _ in self._ended()]

    def longest(self, *how: str) -> float:
        """Seconds of the call that took longest of those that ended so."""
        return max((seconds for each, seconds in self._ended() if each in how), default=0.0)

    def _ended(self) -> list[tuple[str, float]]:
        lines = self.process.stdout.splitlines(keepends=True)
        return [(how, float(seconds)) for how, seconds in (line.split() for line in lines if line.endswith("\n"))]

    def wait_for(self, what: str, times: int = 1, since: int = 0) -> None:
        """Until so many calls ended so, from the one numbered `since` on."""
        self._until(lambda: self.seen[since:].count(what) >= times, what)

    def wait_for_more(self, calls: int) -> None:
        """Until so many more calls have ended, however."""
        wanted = len(self.seen) + calls
        self._until(lambda: len(self.seen) >= wanted, "another call")

    def wait_for_error(self, since: int = 0) -> str:
        """Until a call ended in an error, from the one numbered `since` on; gives its id."""
        self._until(lambda: bool(self._errors(since)), "an error")
        return self._errors(since)[0]

    def _errors(self, since: int) -> list[str]:
        return [each for each in self.seen[since:] if each not in ("token", "fresh")]

    def _until(self, done: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + LONG
        while not done():
            assert self.process.running, self.process.last_words()
            assert time.monotonic() < until, f"no call ended in {what}: {self.seen[-20:]}"
            time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
