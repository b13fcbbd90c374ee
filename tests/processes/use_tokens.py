"""The Python package in a process of its own that uses one token over and over: with `audit_memory_hits` each use is a line of the audit record."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

from partnersam import PartnerApp


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("partner")
    parser.add_argument("--ready", type=Path, required=True, help="is made once the token is in memory")
    parser.add_argument("--go", type=Path, required=True, help="is waited for")
    parser.add_argument("--uses", type=int, help="how many; without end when left out")
    asked = parser.parse_args()
    app = PartnerApp.from_env()
    app.token(asked.partner, "graph")
    asked.ready.touch()
    while not asked.go.exists():
        time.sleep(0.002)
    for _ in itertools.count() if asked.uses is None else range(asked.uses):
        app.token(asked.partner, "graph")
    return 0


if __name__ == "__main__":
    sys.exit(main())
