"""A Secret Service of our own: a private session bus and a gnome-keyring daemon, unlocked with a throw-away password.

`python -m harness.keyring COMMAND ...` runs a command beside one, for tests that are not written in Python: they find it by
DBUS_SESSION_BUS_ADDRESS, as any program does, and know by PARTNERSAM_TEST_KEYRING=1 that it is one to play with.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from harness.process import START, Process, is_running

NAME = "org.freedesktop.secrets"

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""A session bus that knows one service, and starts it anew when it has fallen, as a desktop's bus does."""

SERVICE = """[D-BUS Service]
Name=org.freedesktop.secrets
Exec=/bin/sh {script}
"""

# gnome-keyring's daemon aborts now and then where many clients come and go, so that a test must not depend on one that lives.
SCRIPT = """exec /usr/bin/gnome-keyring-daemon --foreground --components=secrets{unlock} <{password}
"""


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
        self._bus: Process | None = None

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
        self._environment = {**self.env, "PATH": "/usr/bin:/bin"}
        services = runtime / "services"
        services.mkdir()
        password = runtime / "password"
        password.touch(0o600)
        # An empty password would leave no collection to store in.
        password.write_text(self.password)
        script = runtime / "daemon.sh"
        script.write_text(SCRIPT.format(unlock="" if self.locked else " --unlock", password=password))
        self._service = services / "org.freedesktop.secrets.service"
        self._service.write_text(SERVICE.format(script=script))
        # A program of our own and not dbus-run-session: it is then killed with its own group, and none by luck.
        config = runtime / "bus.conf"
        config.write_text(BUS.format(socket=socket, services=services))
        bus = ["/usr/bin/dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--nosyslog"]
        self._bus = Process("dbus", bus, env=self._environment, keep="servers")
        self._bus.wait_until(socket.exists, "the session bus")
        self.ask_bus("StartServiceByName", f"string:{NAME}", "uint32:0")
        self._bus.wait_until(lambda: self.daemon() is not None, NAME)

    def ask_bus(self, method: str, *arguments: str) -> str | None:
        """What the bus itself answers, as dbus-send prints it; None where it answers with an error."""
        ask = [
            "/usr/bin/dbus-send",
            "--session",
            "--print-reply=literal",
            "--dest=org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            f"org.freedesktop.DBus.{method}",
            *arguments,
        ]
        with Process("dbus-send", ask, env=self._environment, keep="servers") as question:
            return question.stdout if question.wait(START) == 0 else None

    def daemon(self) -> int | None:
        """The process that is the Secret Service now."""
        return self.process_of(NAME)

    def process_of(self, name: str) -> int | None:
        """The process behind a name on the bus."""
        answer = self.ask_bus("GetConnectionUnixProcessID", f"string:{name}")
        return None if answer is None else int(answer.split()[-1])

    def connections_of(self, process: int) -> int:
        """How many connections to the bus a process holds."""
        names = (self.ask_bus("ListNames") or "").split()
        return sum(self.process_of(name) == process for name in names if name.startswith(":"))

    def stop_daemon(self) -> None:
        """Leaves the bus without a Secret Service, as on a server."""
        self._service.unlink()
        self.ask_bus("ReloadConfig")
        self.kill_daemon()

    def kill_daemon(self) -> None:
        """Ends the Secret Service as a crash does: the bus starts another when the next one asks."""
        process = self.daemon()
        assert process is not None
        assert self._bus is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        # The bus learns of it a moment later, and would pass on a question to nobody.
        self._bus.wait_until(
            lambda: not is_running(process) and self.daemon() != process, "the end of the Secret Service"
        )

    def _stop(self) -> None:
        if self._bus is not None:
            # One that outlives its bus ends by itself, only later.
            if self._bus.running and self.daemon() is not None:
                self.kill_daemon()
            self._bus.kill()
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
