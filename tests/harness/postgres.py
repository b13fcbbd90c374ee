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

    def __init__(self) -> None:
        self.bin = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="psam-pg-"))
        self._account = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if os.geteuid() != 0:
            self._account = []
        self._server: Process | None = None
        self._databases = 0

    def __enter__(self) -> Postgres:
        try:
            if self._account:
                os.chown(self.folder, NOBODY, NOBODY)
            initdb = [self.bin / "initdb", "-D", self.folder / "data", "-U", "postgres", "-E", "UTF8", "--locale=C"]
            options = ["--no-sync", "--no-instructions", "--auth=trust"]
            subprocess.run([*self._account, *initdb, *options], check=True, capture_output=True, cwd=self.folder)
            # Only the socket: nothing listens on a port.
            settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off"]
            chosen = [part for setting in settings for part in ("-c", setting)]
            command = [*self._account, self.bin / "postgres", "-D", self.folder / "data", *chosen]
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
        psql = [
            self.bin / "psql",
            "-qXAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-h",
            self.folder,
            "-d",
            database,
        ]
        done = subprocess.run([*psql, "-c", statement], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
