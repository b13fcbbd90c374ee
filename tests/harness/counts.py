"""Reads from what a runner printed how many tests passed, failed and were skipped, and which were skipped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    """Each skipped test by name, with the reason where the runner tells it."""

    @property
    def ran(self) -> int:
        return self.passed + self.failed

    def add(self, other: Counts) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


Reader = Callable[[list[str]], Counts]
"""Takes the lines that a runner printed. No line of counts means nothing ran, and the stage says so."""


def nextest(lines: list[str]) -> Counts:
    """`Summary [ 1.2s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 2 skipped`."""
    counts, skipped = Counts(), 0
    for line in plain(lines):
        if re.match(r"\s*Summary \[", line):
            counts.passed = number(r"(\d+) passed", line)
            counts.failed = sum(number(rf"(\d+) {word}", line) for word in ("failed", "timed out", "exec failed"))
            skipped = number(r"(\d+) skipped", line)
        elif found := re.match(r"\s*SKIP \[[^]]*\]\s*(?:\([^)]*\)\s*)?(\S.*)", line):
            counts.skipped.append(f"{found[1].strip()}: ignored in its source")
    if counts.ran and skipped > len(counts.skipped):
        counts.skipped += ["a test that nextest did not name"] * (skipped - len(counts.skipped))
    return counts


def cargo_test(lines: list[str]) -> Counts:
    """`test result: ok. 3 passed; 0 failed; 1 ignored; ...`, once for each test binary and each crate's documentation."""
    counts = Counts()
    for line in plain(lines):
        if found := re.match(r"test result: \w+\. (\d+) passed; (\d+) failed; \d+ ignored", line):
            counts.passed += int(found[1])
            counts.failed += int(found[2])
        elif found := re.match(r"test (.+) \.\.\. ignored(?:, (.+))?$", line):
            counts.skipped.append(f"{found[1]}: {found[2] or 'ignored in its source'}")
    return counts


def pytest(lines: list[str]) -> Counts:
    """`=== 1 failed, 5 passed, 1 skipped, 1 error in 0.12s ===`, and a SKIPPED line for each skipped place."""
    counts = Counts()
    for line in plain(lines):
        if re.match(r"=+ .*\bin [\d.]+s\b.* =+$", line):
            counts.passed = number(r"(\d+) passed", line) + number(r"(\d+) xfailed", line)
            counts.failed = number(r"(\d+) failed", line) + number(r"(\d+) errors?\b", line)
        elif found := re.match(r"SKIPPED \[(\d+)\] (.+)", line):
            counts.skipped += [found[2]] * int(found[1])
    return counts


def closing_line(lines: list[str]) -> Counts:
    """`9 passed, 0 failed, 1 skipped`, alone on the last such line; `SKIP name: reason` names a skipped test."""
    counts = Counts()
    for line in plain(lines):
        if found := re.fullmatch(r"(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", line):
            counts.passed, counts.failed = int(found[1]), int(found[2])
        elif found := re.match(r"SKIP (.+)", line):
            counts.skipped.append(found[1])
    return counts


def plain(lines: Iterable[str]) -> Iterable[str]:
    """Without colours and without the spaces at the end."""
    return (re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in lines)


def number(pattern: str, line: str) -> int:
    found = re.search(pattern, line)
    return int(found[1]) if found else 0
