"""Whether a process has sent its redemption: told by the kernel's table of connections, not by the clock."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

from harness.process import START, NotReady, Process

ESTABLISHED = "01"


def wait_until_sent(process: Process, authority: str) -> None:
    """Waits until the process is connected to the authority. A process that knows tenant and key by then has done so to redeem."""
    port = urlsplit(authority).port
    assert port is not None
    until = time.monotonic() + START
    while not is_connected(process.pid, port):
        if not process.running or time.monotonic() > until:
            raise NotReady(f"{process.name} did not connect to the authority: {process.last_words()}")
        time.sleep(0.002)


def is_connected(pid: int, port: int) -> bool:
    return not sockets_of(pid).isdisjoint(connections_to(port))


def sockets_of(pid: int) -> set[str]:
    """The inodes of the sockets that a process has open."""
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(file.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def connections_to(port: int) -> set[str]:
    """The inodes of the sockets of this machine that are connected to this port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].rpartition(":")[2], 16) == port and fields[3] == ESTABLISHED:
                found.add(fields[9])
    return found
