"""Client CPU and wall time of an operation, resident memory, and the one line of JSON that a cell prints."""

from __future__ import annotations

import gc
import json
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType


class Stopwatch:
    """CPU (user and system, all threads of this process) and wall time of a block, in nanoseconds.

    CLOCK_PROCESS_CPUTIME_ID counts what getrusage(RUSAGE_SELF) counts, without its rounding to microseconds.
    """

    cpu_ns = 0
    wall_ns = 0

    def __enter__(self) -> Stopwatch:
        gc.collect()
        self._wall = time.perf_counter_ns()
        self._cpu = time.process_time_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu_ns = time.process_time_ns() - self._cpu
        self.wall_ns = time.perf_counter_ns() - self._wall


def report_time(stopwatch: Stopwatch, ops: int, **more: float | str) -> None:
    """Prints the result of a cell that times operations."""
    report(ops=ops, cpu_ns_per_op=stopwatch.cpu_ns / ops, wall_ns_per_op=stopwatch.wall_ns / ops, **more)


def report(**figures: float | str) -> None:
    """Prints the result of a cell: one JSON object on the last line of standard output."""
    print(json.dumps(figures), flush=True)  # the cell's answer to the runner


def resident_bytes() -> int:
    """Resident memory of this process, after a garbage collection."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def wait_for_child(pid: int) -> tuple[int, int]:
    """Waits for a child; its exit status and CPU time in nanoseconds, that of its own waited-for children included."""
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), round((usage.ru_utime + usage.ru_stime) * 1e9)


def median(values: Iterable[float]) -> float:
    """The middle one, or the mean of the middle two."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
