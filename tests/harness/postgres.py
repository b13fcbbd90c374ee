"""A PostgreSQL of our own: Debian's programs, a folder that goes with it, and a socket in it; nothing is left running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from harness.process import START, NotReady, Process

NOBODY = 65534
"""PostgreSQL does not run as root."""


def programs() -> Path:
    """Debian's newest."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise NotReady("Debian's package postgresql is not installed")
    return versions[-1].parent


def children_of(pid: int) -> list[int]:
    """The processes that this one started; a server's have sessions of their own."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def works(pid: int) -> bool:
    """Whether that is a process of a server, and not one that has ended and waits for somebody to ask how, or a newer one of that number."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "(postgres) " in words and words.rpartition(")")[2].split()[0] not in ("Z", "X")


class Postgres:
    """`with Postgres() as server: server.database()` gives the URI of a new database, for any number of hosts."""

    def __init__(
        self,
        *,
        fsync: bool = False,
        settings: tuple[str, ...] = (),
        clients: str = "",
        files: Mapping[str, Path] | None = None,
        inside: tuple[str, ...] = (),
    ) -> None:
        """`fsync`: where it counts what a write to the disk costs. For a server that listens elsewhere than on its socket: `settings`, more of them;
        `clients`, lines of pg_hba.conf; `files`, what its folder gets under which name; `inside`, the program that starts it."""
        self._fsync = "on" if fsync else "off"
        self._settings = settings
        self._clients = clients
        self._files = files or {}
        self._inside = inside
        self.bin = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="psam-pg-"))
        # Another account forgets whose death it was to die with, so it is told again.
        become = [
            "/usr/bin/setpriv",
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            "--pdeathsig",
            "KILL",
            "--",
        ]
        self._account: list[str | Path] = list(become) if os.geteuid() == 0 else []
        self._server: Process | None = None
        self._databases = 0

    def __enter__(self) -> Postgres:
        try:
            if self._account:
                os.chown(self.folder, NOBODY, NOBODY)
            initdb: list[str | Path] = [self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres"]
            options = ["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", "--auth=trust"]
            subprocess.run([*self._account, *initdb, *options], check=True, capture_output=True, cwd=self.folder)
            with (self.folder / "data" / "pg_hba.conf").open("a") as file:
                file.write(self._clients)
            for name, source in self._files.items():
                copy = Path(shutil.copy(source, self.folder / "data" / name))
                copy.chmod(0o600)
                if self._account:
                    os.chown(copy, NOBODY, NOBODY)
            self.start()
        except BaseException:
            self._stop()
            raise
        return self

    def start(self) -> None:
        """Starts the server; again, where it was killed."""
        # Only the socket, unless the settings say more: nothing listens on a port.
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.folder}",
            f"fsync={self._fsync}",
            "max_wal_size=128MB",
            *self._settings,
        ]
        chosen: list[str | Path] = [part for setting in settings for part in ("-c", setting)]
        program: list[str | Path] = [self.bin / "postgres", "-D", self.folder / "data", *chosen]
        command = [*self._inside, *self._account, *program]
        self._server = Process("postgres", command, env={"PATH": "/usr/bin:/bin"}, cwd=self.folder, keep="servers")
        until = time.monotonic() + START
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.folder], check=False).returncode:
            if not self._server.running or time.monotonic() > until:
                raise NotReady(f"the database did not come: {self._server.last_words()}")
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """To every process of the server at once."""
        assert self._server is not None
        for pid in [self._server.pid, *children_of(self._server.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """As a machine that fails ends it: every process at once, nothing written any more."""
        assert self._server is not None
        children = children_of(self._server.pid)
        self.signal(signal.SIGKILL)
        self._server.kill()
        until = time.monotonic() + START
        while any(works(pid) for pid in children):
            assert time.monotonic() < until, "a process of the database outlives SIGKILL"
            time.sleep(0.01)

    def database(self) -> str:
        """The URI of a new database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        return f"postgres://postgres@/{name}?host={self.folder}"

    def sql(self, database: str, statement: str) -> str:
        """What psql prints for this statement."""
        psql: list[str | Path] = [self.bin / "psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]
        command: list[str | Path] = [*psql, "-h", self.folder, "-d", database, "-c", statement]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return str(done.stdout).strip()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
