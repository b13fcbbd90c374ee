"""Hosts with a network of their own: namespaces of the kernel, each joined by a cable to the one in which the database listens.

Addresses are only inside the namespaces, from a net that is set aside for documentation (RFC 5737). The emulator stays on loopback: each host has
a forwarder on its own loopback that leads to the emulator's ports there.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import pytest

from harness.emulator import Emulator
from harness.places import TESTS, VENV
from harness.process import START, Process

FORWARD = TESTS / "destruction" / "forward.py"
HOSTS = 3
POSTGRES = 5432


class Network:
    """`with Network(emulator) as network:`; `network.inside(number)` is what starts a program on a host, `network.database` where the database is."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.database = f"psam-{os.getpid()}-db"
        self.hosts = [f"psam-{os.getpid()}-{number}" for number in range(HOSTS)]
        self.forwarders: list[Process] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Network:
        if os.geteuid() != 0:
            pytest.skip("only root can make network namespaces")
        sweep()
        made = subprocess.run(
            ["/usr/sbin/ip", "netns", "add", self.database], check=False, capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        try:
            ip("-n", self.database, "link", "set", "lo", "up")
            for number, host in enumerate(self.hosts):
                self._join(number, host)
        except BaseException:
            self._end()
            raise
        return self

    def _join(self, number: int, host: str) -> None:
        ip("netns", "add", host)
        ip("-n", host, "link", "set", "lo", "up")
        ip(
            "-n",
            self.database,
            "link",
            "add",
            f"host{number}",
            "type",
            "veth",
            "peer",
            "name",
            "database",
            "netns",
            host,
        )
        for namespace, name, address in (
            (self.database, f"host{number}", self.address(number)),
            (host, "database", self.address(number, 2)),
        ):
            ip("-n", namespace, "address", "add", f"{address}/30", "dev", name)
            ip("-n", namespace, "link", "set", name, "up")
        ready = self.emulator.ready
        addresses = [text for text in texts(ready) if text.startswith("https://")]
        ports = sorted({port for each in addresses if (port := urlsplit(each).port)})
        command: list[str | Path] = [
            *inside(host),
            VENV / "bin" / "python",
            FORWARD,
            str(os.getpid()),
            *map(str, ports),
        ]
        forwarder = Process("forwarder", command, env={"PATH": "/usr/bin:/bin"}, keep="servers")
        self.forwarders.append(self._stack.enter_context(forwarder))
        forwarder.first_line()

    @staticmethod
    def address(number: int, side: int = 1) -> str:
        """Of the database's end of a host's cable, or of the host's end (2)."""
        return f"192.0.2.{4 * number + side}"

    def cut(self, number: int) -> None:
        """Nothing goes through the cable any more, and nobody is told."""
        ip("-n", self.database, "link", "set", f"host{number}", "down")

    def mend(self, number: int) -> None:
        """Returns once the database can be reached again."""
        ip("-n", self.database, "link", "set", f"host{number}", "up")
        # Each end has learnt that the other does not answer, and believes so for some seconds.
        for namespace in (self.database, self.hosts[number]):
            ip("-n", namespace, "neighbour", "flush", "all")
        reach = [*inside(self.hosts[number]), "/bin/bash", "-c", f"exec 3<>/dev/tcp/{self.address(number)}/{POSTGRES}"]
        until = time.monotonic() + START
        while subprocess.run(reach, check=False, capture_output=True).returncode:
            assert time.monotonic() < until, "the mended cable carries nothing"
            time.sleep(0.05)

    def _end(self) -> None:
        self._stack.close()
        for namespace in [*self.hosts, self.database]:
            subprocess.run(["/usr/sbin/ip", "netns", "del", namespace], check=False, capture_output=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


def inside(namespace: str) -> tuple[str, ...]:
    """What starts a program in a namespace."""
    return ("/usr/bin/nsenter", f"--net=/run/netns/{namespace}", "--")


def sweep() -> None:
    """Removes the namespaces of a run that was killed: they go with nobody."""
    for namespace in Path("/run/netns").glob("psam-*"):
        if not Path("/proc", namespace.name.split("-")[1]).exists():
            subprocess.run(["/usr/sbin/ip", "netns", "del", namespace.name], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    subprocess.run(["/usr/sbin/ip", *arguments], check=True, capture_output=True)


def texts(value: object) -> list[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []
