"""A consent from begin to end: the command prints the link, a person signs in at the emulator, the browser brings the reply."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx

from harness.cli import Answer, Cli
from harness.emulator import Emulator
from harness.process import START, Process


def consent(
    cli: Cli,
    emulator: Emulator,
    partner: str = "fabrikam.com",
    *options: str,
    upn: str = "admin@fabrikam.com",
    **how: Any,
) -> Answer:
    """`partnersam consent PARTNER --link`, followed as this user."""
    with cli.start("consent", partner, "--link", *options) as process:
        link = first_line(process)
        if link.startswith("{"):
            link = json.loads(link)["link"]
        page = emulator.sign_in(link, upn, **how).deliver()
        return answer_of(process, page)


def first_line(process: Process) -> str:
    """What the command prints first: the link, or a document with it."""
    return until(process, lambda: process.stdout.partition("\n")[0] if "\n" in process.stdout else "")


def until(process: Process, look: Any) -> str:
    """What `look` finds, as soon as it finds anything."""
    limit = time.monotonic() + START
    while not (found := look()):
        assert process.running, f"{process.name} ended with {process.popen.returncode}: {process.last_words()}"
        assert time.monotonic() < limit, f"{process.name} said nothing: {process.last_words()}"
        time.sleep(0.01)
    text: str = found
    return text


def answer_of(process: Process, page: httpx.Response | None = None) -> Answer:
    """How the command ended; the browser must have been told the same."""
    code = process.wait()
    if page is not None:
        assert ("Consent stored" in page.text) == (page.status_code == 200), page.text
    return Answer(code, process.stdout, process.stderr)


def status(cli: Cli, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """The grants, as `status --json` has them."""
    grants: list[dict[str, Any]] = cli("status", "--json", *arguments).expect(code).json["grants"]
    return grants
