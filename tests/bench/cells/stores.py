"""The core's stores without anything around them: one rotation, durable, and the first read of a store that nothing has opened yet.

bench-store reads a grant, asks whether it can be saved, and saves it with its access token; it fills a store that has fewer grants than asked for first,
which is not counted. Both stores wait for the disk, and what counts is wall time.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from cells import arguments, partnersam_client
from cells.arguments import Arguments
from cells.measure import report

PROGRAM = Path(__file__).resolve().parents[3] / "target" / "release" / "bench-store"


def sqlite(arguments: Arguments) -> None:
    """A file in a folder of the run."""
    folder = arguments.work / f"stored-{arguments.tenants}"
    folder.mkdir(mode=0o700, exist_ok=True)
    measure(arguments, f"sqlite:{folder / 'store.db'}")


def postgres(arguments: Arguments) -> None:
    """A database of the server that the run has started."""
    told = json.loads((arguments.work / "postgres.json").read_text(encoding="utf-8"))
    if "not_measured" in told:
        report(not_measured=told["not_measured"])
        return
    measure(arguments, told["databases"][str(arguments.tenants)])


def measure(arguments: Arguments, store: str) -> None:
    """So many rotations, and one opening."""
    key_file = partnersam_client.key_file(arguments.work)
    partnersam_client.make_key(key_file)
    command = [PROGRAM, store, key_file, str(arguments.tenants), str(arguments.ops)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    report(
        ops=arguments.ops,
        wall_ns_per_op=told["rotation_us"]["median"] * 1e3,
        p90_ns_per_op=told["rotation_us"]["p90"] * 1e3,
        open_ns=told["open_us"] * 1e3,
        grants=told["grants"],
    )


if __name__ == "__main__":
    arguments.run({"sqlite": sqlite, "postgres": postgres})
