"""The clock that programs are shown, by libfaketime: the machine's, so many seconds on."""

from __future__ import annotations

from pathlib import Path

from harness.cli import Cli

LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class Clock:
    """`Clock(folder).shown_to(cli)`. The clock that only counts on is left alone."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Sets it, also for programs that run: in one step, so that nobody reads half a number."""
        unfinished = self.file.with_suffix(".new")
        unfinished.write_text(f"{seconds:+d}\n")
        unfinished.replace(self.file)

    def shown_to(self, cli: Cli) -> Cli:
        return cli.with_env(
            LD_PRELOAD=LIBRARY,
            FAKETIME_TIMESTAMP_FILE=self.file,
            FAKETIME_NO_CACHE="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )
