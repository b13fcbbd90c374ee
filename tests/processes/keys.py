"""The key of a store while it is changed: what its file holds, the change itself, and what became of the grants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import canary
from harness.cli import Cli


def lines(file: Path) -> list[str]:
    """The keys that a file holds."""
    found = file.read_text().splitlines()
    canary.know("a store", *(line.rpartition(":")[2] for line in found))
    return found


def rotate(host: Cli, *more: str) -> dict[str, Any]:
    """Changes the key, and gives the answer."""
    answer: dict[str, Any] = host("key", "rotate", "--json", *more).expect().json
    return answer


def grants(host: Cli) -> dict[str, tuple[int, str]]:
    """The generation and the condition of each grant."""
    found = host("status", "--json").expect().json["grants"]
    return {each["partner"]: (each["generation"], each["condition"]) for each in found}
