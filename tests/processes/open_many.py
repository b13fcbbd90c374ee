"""The Python package in a process of its own in which many threads open the store at once. When the test says so it reads an entry of the keyring, and opens again."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from partnersam import PartnerApp


def open_in_many_threads() -> None:
    with ThreadPoolExecutor(8) as threads:
        for grants in threads.map(lambda _: PartnerApp.from_env().grants(), range(8)):
            assert len(grants) == 1


def main() -> int:
    asked, go, asked_again = map(Path, sys.argv[1:4])
    partner, entry = sys.argv[4:]
    open_in_many_threads()
    asked.touch()
    while not go.exists():
        time.sleep(0.002)
    # Asked once: a store that does not open looks for another key, and so asks again.
    assert PartnerApp.from_env().plan_import(partner, entry)
    open_in_many_threads()
    asked_again.touch()
    time.sleep(60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
