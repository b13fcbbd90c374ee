"""A PostgreSQL of our own: Debian's programs, a folder that goes with it, and a socket in it; nothing is left running."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
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


class Postgres:
    """`with Postgres() as server: server.database()` gives the URI of a new database, for any number of hosts."""

    def __init__(self, *, fsync: bool = False) -> None:
        """`fsync`: where it counts what a write to the disk costs."""
        self._fsync = "on" if fsync else "off"
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
            # Only the socket: nothing listens on a port.
            settings = [
                "listen_addresses=",
                f"unix_socket_directories={self.folder}",
                f"fsync={self._fsync}",
                "max_wal_size=128MB",
            ]
            chosen: list[str | Path] = [part for setting in settings for part in ("-c", setting)]
            command: list[str | Path] = [*self._account, self.bin / "postgres", "-D", self.folder / "data", *chosen]
            self._server = Process("postgres", command, env={"PATH": "/usr/bin:/bin"}, cwd=self.folder, keep="servers")
            until = time.monotonic() + START
            while subprocess.run([self.bin / "pg_isready", "-q", "-h", self.folder], check=False).returncode:
                if not self._server.running or time.monotonic() > until:
                    raise NotReady(f"the database did not come: {self._server.last_words()}")
                time.sleep(0.02)
        except BaseException:
            self._stop()
            raise
        return self

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
