"""A Secret Service of our own: a private session bus and a gnome-keyring daemon, unlocked with a throw-away password.

`python -m harness.keyring COMMAND ...` runs a command beside one, for tests that are not written in Python: they find it by
DBUS_SESSION_BUS_ADDRESS, as any program does, and know by PARTNERSAM_TEST_KEYRING=1 that it is one to play with.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from harness.process import START, NotReady, Process

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""A session bus that starts no service by itself: what is on it is what the test put there."""


class Keyring:
    """`with Keyring(home) as keyring:` and start the program under test with `keyring.env` added to its environment.

    The secrets live below `home`: a second keyring with the same home and password finds them again. `locked=True` starts
    the daemon without unlocking anything, as on a machine where nobody has logged in.
    """

    def __init__(self, home: Path, password: str | None = None, *, locked: bool = False) -> None:
        self.home = home
        self.password = password or secrets.token_hex(8)
        self.locked = locked
        self.env: dict[str, str] = {}
        self._runtime: tempfile.TemporaryDirectory[str] | None = None
        self._processes: list[Process] = []

    def __enter__(self) -> Keyring:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def _start(self) -> None:
        # Socket paths have 108 characters at most: the folder is made where paths are short.
        self._runtime = tempfile.TemporaryDirectory(prefix="psam-bus-")
        runtime = Path(self._runtime.name)
        runtime.chmod(0o700)
        socket = runtime / "bus"
        self.env = {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(runtime),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}",
        }
        environment = {**self.env, "PATH": "/usr/bin:/bin"}
        # Two programs of our own and not dbus-run-session: each is then killed with its own group, and none by luck.
        config = runtime / "bus.conf"
        config.write_text(BUS.format(socket=socket))
        bus = ["/usr/bin/dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog"]
        self._processes.append(Process("dbus", bus, env=environment, keep="servers"))
        self._until("the session bus", socket.exists)
        daemon = ["/usr/bin/gnome-keyring-daemon", "--foreground", "--components=secrets"]
        if not self.locked:
            daemon.append("--unlock")
        self._processes.append(
            # An empty password would leave no collection to store in.
            Process("keyring", daemon, env=environment, stdin=self.password.encode(), keep="servers")
        )
        self._until("org.freedesktop.secrets", lambda: self._has_owner(environment))

    def _has_owner(self, environment: Mapping[str, str]) -> bool:
        ask = [
            "/usr/bin/dbus-send",
            "--session",
            "--print-reply=literal",
            "--dest=org.freedesktop.DBus",
            "/",
            "org.freedesktop.DBus.NameHasOwner",
            "string:org.freedesktop.secrets",
        ]
        with Process("dbus-send", ask, env=environment, keep="servers") as question:
            return question.wait(START) == 0 and "true" in question.stdout

    def _until(self, what: str, there: Callable[[], bool]) -> None:
        until = time.monotonic() + START
        while not there():
            ended = [each for each in self._processes if not each.running]
            if ended or time.monotonic() > until:
                raise NotReady(f"{what} did not come: {' '.join(each.last_words() for each in self._processes)}")
            time.sleep(0.01)

    def stop_daemon(self) -> None:
        """Leaves the bus without a Secret Service, as on a server."""
        self._processes.pop().kill()

    def _stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
        self._processes.clear()
        if self._runtime is not None:
            self._runtime.cleanup()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="psam-keyring-") as folder, Keyring(Path(folder)) as keyring:
        # The command keeps its own HOME; the daemon's is the temporary one.
        env = {**os.environ, **keyring.env, "HOME": os.environ["HOME"], "PARTNERSAM_TEST_KEYRING": "1"}
        return subprocess.run(sys.argv[1:], env=env, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
