"""The command `partnersam`, run in a clean environment with everything it says kept and searched for secrets later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.places import CLI
from harness.process import Process


@dataclass(frozen=True)
class Answer:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    def expect(self, code: int = 0) -> Answer:
        """This answer, if the exit code is the one expected."""
        assert self.code == code, (
            f"exit code {self.code} and not {code}\n--- stderr\n{self.stderr}\n--- stdout\n{self.stdout}"
        )
        return self


class Cli:
    """`cli("token", "--for", "graph")`: one run to its end. `cli.start(...)`: one that goes on beside the test.

    Nothing of the caller's environment reaches the program but the path: what is not given here is not there. Logging is
    at its most talkative, so that a secret in a log would be found.
    """

    def __init__(
        self, home: Path, env: Mapping[str, str] | None = None, program: tuple[str | Path, ...] = (CLI,)
    ) -> None:
        self.home = home
        self.program = program
        self.env = {
            "HOME": str(home),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PARTNERSAM_LOG": "trace",
            **(env or {}),
        }

    def with_env(self, **more: str | Path) -> Cli:
        """The same with these variables added."""
        return Cli(self.home, {**self.env, **{name: str(value) for name, value in more.items()}}, self.program)

    def start(self, *arguments: str | Path, stdin: str | None = None) -> Process:
        name = f"cli-{next((str(each) for each in arguments if not str(each).startswith('-')), 'help')}"
        given = None if stdin is None else stdin.encode()
        return Process(name, [*self.program, *arguments], env=self.env, cwd=self.home, stdin=given)

    def __call__(self, *arguments: str | Path, stdin: str | None = None, limit: float = 120.0) -> Answer:
        with self.start(*arguments, stdin=stdin) as process:
            code = process.wait(limit)
            return Answer(code, process.stdout, process.stderr)
