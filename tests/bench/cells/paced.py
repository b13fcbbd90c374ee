"""`partnersam renew` over many due grants at a server that takes its time: what limits it, and how much memory it needs.

As many are at the server at a time as the command sends, so with a server that answers each after so long the whole takes a known time at least, and somewhat more for
any client. Beside the wall time for each grant stand the client's CPU and how much more memory the command had at its peak than one that renews a single grant. Standard error is a
terminal, as for a person: a run whose progress bar did not move counts for nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plan import AT_SERVER, DELAY_MS

from cells import arguments, partnersam_client
from cells.arguments import Arguments
from cells.measure import report
from cells.startup import COMMAND_LINE


@dataclass(frozen=True)
class Renewal:
    """One run of the command."""

    cpu_ns: float
    wall_ns: int
    peak_bytes: int
    #: Places at which the bar was seen.
    bar: set[str]


def partnersam(arguments: Arguments) -> None:
    """All grants of a store; before, the only one of another."""
    # It ends so soon that its memory may be gone before anybody has looked.
    few = next(few for few in (renew(arguments, 1) for _ in range(50)) if few.peak_bytes)
    before = arguments.server.token_requests()
    with paced(arguments):
        all_of_them = renew(arguments, arguments.tenants)
    exchanges = arguments.server.token_requests() - before
    if exchanges != arguments.tenants:
        raise RuntimeError(f"{arguments.tenants} grants made {exchanges} exchanges")
    if len(all_of_them.bar) < 10:
        raise RuntimeError(f"the progress bar was seen at {len(all_of_them.bar)} places")
    report(
        ops=arguments.tenants,
        cpu_ns_per_op=all_of_them.cpu_ns / arguments.tenants,
        wall_ns_per_op=all_of_them.wall_ns / arguments.tenants,
        peak_bytes=all_of_them.peak_bytes,
        growth_bytes=all_of_them.peak_bytes - few.peak_bytes,
    )


def bare(arguments: Arguments) -> None:
    """A client that keeps as many requests at the same server and does nothing else: the server's pace as a client meets it."""
    with paced(arguments):
        program, tenants = COMMAND_LINE.with_name("bench-bare"), str(arguments.tenants)
        command = [program, "--ready-file", arguments.server.ready_file, "--ops", tenants, "--tenants", tenants]
        client = subprocess.run([*command, "--concurrent", str(AT_SERVER)], capture_output=True, check=True)
    report(**json.loads(client.stdout))


@contextlib.contextmanager
def paced(arguments: Arguments) -> Iterator[None]:
    """Meanwhile the server takes its time."""
    arguments.server.control(delay_ms=DELAY_MS)
    try:
        yield
    finally:
        arguments.server.control(delay_ms=0)


def renew(arguments: Arguments, tenants: int) -> Renewal:
    """Renews every grant in a copy of the store with so many."""
    copy = arguments.work / "paced-copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(partnersam_client.folder(arguments.work, tenants), copy)
    key_file = partnersam_client.key_file(arguments.work)
    environment = partnersam_client.environment(arguments.server, f"sqlite:{copy / 'store.db'}", key_file)
    ours, theirs = os.openpty()
    started = time.perf_counter_ns()
    child = subprocess.Popen(
        [COMMAND_LINE, "renew", "--within", "3650"],
        env={"HOME": str(copy), "PATH": "/usr/bin:/bin", "TERM": "xterm", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    drawn, peak = b"", 0
    # The end of the terminal's other side is an error here.
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            drawn += piece
            peak = max(peak, peak_bytes(child.pid))
    os.close(ours)
    said = child.stdout.read().decode() if child.stdout else ""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter_ns() - started
    if child.returncode:
        raise RuntimeError(f"the renewal ended with {child.returncode}: {said}{drawn.decode(errors='replace')[-500:]}")
    places = set(re.findall(r"(\d+/\d+)", drawn.decode(errors="replace")))
    return Renewal((usage.ru_utime + usage.ru_stime) * 1e9, wall, peak, places)


def peak_bytes(process: int) -> int:
    """The highest resident memory since the program was loaded; the rusage of a child knows its parent's, too."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0
    return 0


if __name__ == "__main__":
    arguments.run({"bare": bare, "partnersam": partnersam})
