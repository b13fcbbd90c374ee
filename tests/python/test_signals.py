"""Ctrl-C: a call that waits for the network ends within a second, and what was redeemed is not lost."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from python.partner import answer, consent, environment, open_app, program, redemptions

from harness.emulator import Emulator
from harness.process import Process

BEGIN = """
import asyncio, json, sys, time
from partnersam import PartnerApp
app = PartnerApp.from_env()
print("ready", flush=True)
began = time.monotonic()
"""
END = """
except KeyboardInterrupt:
    print(json.dumps({"seconds": time.monotonic() - began}), flush=True)
else:
    print(json.dumps({"seconds": None}), flush=True)
"""
CALLS = {
    "token": "try:\n    app.token('fabrikam.com', 'arm', 'contoso.com')",
    "credential": "try:\n    app.credential('fabrikam.com').get_token('https://management.azure.com/.default', claims='{}')",
    "renew": "try:\n    app.renew('fabrikam.com')",
    "renew_due": "try:\n    app.renew_due(within_days=365)",
    "import_grant": "try:\n    app.import_grant('fabrikam.com', 'test-value-that-is-no-token')",
    "aio": "import partnersam.aio\nasync def main():\n    await partnersam.aio.PartnerApp(app).renew('fabrikam.com')\ntry:\n    asyncio.run(main())",
}
DELAY = 20_000


def interrupted(process: Process) -> None:
    """Sends Ctrl-C when the call is under way."""
    until = time.monotonic() + 60
    while "ready" not in process.stdout and process.running and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.7)
    process.signal(signal.SIGINT)


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_a_call_that_waits(emulator: Emulator, home: Path, call: str) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
        generation = app.grant("fabrikam.com").generation
    emulator.control(delay_ms=DELAY, path="token")
    with program(f"ctrl-c-{call}", BEGIN + CALLS[call] + END, environment(emulator, home), home) as process:
        interrupted(process)
        # At its end the process waits two seconds more for what was sent. The emulator would take twenty.
        assert process.wait(15) == 0, process.last_words()
        seconds = float(process.stdout.rsplit('"seconds": ', 1)[1].rstrip("}\n "))
    assert seconds < DELAY / 1000 / 2, process.last_words()
    with open_app(emulator, home) as app:
        assert app.grant("fabrikam.com").generation == generation


def test_what_was_redeemed_when_ctrl_c_came_is_saved(emulator: Emulator, home: Path) -> None:
    """With a server that takes each refresh token once: were the reply to the interrupted call lost, the partner would be, too."""
    with open_app(emulator, home) as app:
        consent(emulator, app)
        generation = app.grant("fabrikam.com").generation
    emulator.control(strict_refresh=True, delay_ms=1500, path="token")
    with program("ctrl-c-saved", BEGIN + CALLS["renew"] + END, environment(emulator, home), home) as process:
        interrupted(process)
        assert process.wait(15) == 0, process.last_words()
        assert '"seconds": null' not in process.stdout
    emulator.control(delay_ms=0, path="token")
    with open_app(emulator, home) as app:
        assert app.grant("fabrikam.com").generation > generation
        assert app.renew("fabrikam.com")
    assert all(each["status"] == 200 for each in emulator.requests())


HANDLER = """
import json, os, signal, threading, time
from partnersam import PartnerApp
seen = []
signal.signal(signal.SIGUSR1, lambda *_: seen.append(time.monotonic()))
app = PartnerApp.from_env()
began = time.monotonic()
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
token = app.token("fabrikam.com", "arm", "contoso.com")
ended = time.monotonic()
print(json.dumps({"seen": seen[0] - began, "ended": ended - began, "audience": token.audience}))
"""


def test_a_handler_runs_while_a_call_waits_and_the_call_goes_on(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
    emulator.control(delay_ms=3000, path="token")
    found = answer("handler", HANDLER, environment(emulator, home), home)
    assert found["audience"] == "arm"
    assert found["seen"] < found["ended"] - 1


RAISING = """
import json, os, signal, threading
from partnersam import PartnerApp
class Enough(Exception): pass
def enough(*_): raise Enough
signal.signal(signal.SIGALRM, enough)
app = PartnerApp.from_env()
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    app.token("fabrikam.com", "arm", "contoso.com")
except Enough:
    print(json.dumps("enough"))
"""


def test_what_a_handler_raises_comes_out_of_the_call(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app:
        consent(emulator, app)
    before = redemptions(emulator)
    emulator.control(delay_ms=5000, path="token")
    assert answer("raising", RAISING, environment(emulator, home), home) == "enough"
    assert redemptions(emulator) <= before + 1
