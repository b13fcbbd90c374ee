"""`partnersam customers plan` over many customers: a token, the service principals and the grants of each, at the pace limit.

The bench server knows no customers, so this cell starts the emulator that the command brings along. The figure is the client's CPU for
each customer; beside it stand customers a second, which the pace limits to 50, and the client's peak of resident memory.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cells import arguments
from cells.arguments import Arguments
from cells.measure import report
from cells.startup import COMMAND_LINE

PER_SECOND = 50
WANTED = """
display_name = "Bench Panel"
[grants]
graph = ["Directory.Read.All", "User.Read"]
arm = ["user_impersonation"]
"""
PARTNER = "fabrikam.com"


class Emulator:
    """The command's own emulator, on whichever core is free, until the block ends."""

    def __init__(self, folder: Path) -> None:
        """Nothing is started yet."""
        self.ready_file = folder / "emulator.json"

    def __enter__(self) -> Emulator:
        everywhere = lambda: os.sched_setaffinity(0, range(os.cpu_count() or 1))  # noqa: E731
        command = [str(COMMAND_LINE), "emulator", "--ready-file", str(self.ready_file)]
        self._process = subprocess.Popen(
            command, preexec_fn=everywhere, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        give_up = time.monotonic() + 10
        while not self.ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError("the emulator did not start")
            time.sleep(0.01)
        self.ready: dict[str, Any] = json.loads(self.ready_file.read_text(encoding="utf-8"))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call to the control endpoint."""
        place = urlsplit(self.ready["control"])
        trust = ssl.create_default_context(cafile=self.ready["ca_file"])
        connection = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=60, context=trust)
        try:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            told: dict[str, Any] = json.load(connection.getresponse())
        finally:
            connection.close()
        return told


def plan(given: Arguments) -> None:
    """Plans once over so many customers, with a grant and nothing in memory."""
    folder = given.work / f"customers-{time.monotonic_ns()}"
    folder.mkdir(mode=0o700)
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text(f"partnersam-key-1:{base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip('=')}\n")
    grants = folder / "grants.toml"
    grants.write_text(WANTED)
    with Emulator(folder) as emulator:
        environment = {
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "PARTNERSAM_EMULATOR": str(emulator.ready_file),
            "PARTNERSAM_STORE": f"sqlite:{folder / 'store' / 'grants.db'}",
            "PARTNERSAM_KEY_FILE": str(key),
        }
        app = next(app for app in emulator.ready["apps"] if app["profile"] == "cpv")
        asked = {"client_id": app["client_id"], "upns": [f"admin@{PARTNER}"], "mfa": True}
        (grant,) = emulator.control("/grants", asked)["grants"]
        emulator.control("/scenario", {"consent": {"tenant": PARTNER, "granted": True}})
        consents = [{"resource": "graph"}, {"resource": "arm"}]
        emulator.control("/customers", {"count": given.tenants, "consents": consents})
        taken = [str(COMMAND_LINE), "import", PARTNER, "--file", "-", "--json"]
        subprocess.run(taken, input=grant["refresh_token"].encode(), env=environment, check=True, capture_output=True)
        command = [str(COMMAND_LINE), "customers", "plan", PARTNER, "--file", str(grants), "--json"]
        answer = folder / "plan.json"
        start = time.perf_counter_ns()
        with answer.open("wb") as output:
            child = os.posix_spawn(
                command[0], command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1)]
            )
            _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter_ns() - start
    document = json.loads(answer.read_text(encoding="utf-8"))
    count: int = document["count"]
    if status or document["failed"] or count < given.tenants:
        raise RuntimeError(f"the plan ended with {status}: {document['failed']} of {count} failed")
    per_second = count / (wall / 1e9)
    if count > 5 * PER_SECOND and per_second > 1.02 * PER_SECOND:
        raise RuntimeError(f"the pace was not kept: {per_second:.1f} a second")
    report(
        ops=count,
        cpu_ns_per_op=(usage.ru_utime + usage.ru_stime) * 1e9 / count,
        wall_ns_per_op=wall / count,
        per_second=round(per_second, 2),
        peak_bytes=usage.ru_maxrss * 1024,
    )


if __name__ == "__main__":
    arguments.run({"partnersam": plan})
