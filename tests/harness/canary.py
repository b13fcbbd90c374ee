"""Looks for known secrets in everything that the tests' programs printed. `python -m harness.canary` is the last stage.

While the tests run, the harness writes down each secret that it hands out or sees pass (`know`). Afterwards every file of
`outputs/`, where the harness keeps standard output and standard error of each program under test, and every stage's log is
searched for them, as they are and as a form, JSON or base64 would write them. A search that finds nothing proves nothing
by itself: each run first plants a secret in each of these ways and must find every one.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from harness.places import logs

KNOWN = "known-secrets.jsonl"
FORMS = {
    "a refresh token of the emulator": r"0\.emu[\w-]{20,}",
    "an authorization code of the emulator": r"1\.emuc\.[\w-]{20,}",
    "a device code of the emulator": r"\bemud\.[\w-]{20,}",
    "a refresh token of Entra": r"\b[01]\.A[\w-]{40,}\.[\w-]{40,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
"""What no output may contain whoever it belongs to, by its looks: values that rotate too fast to be written down."""
ACCESS_TOKEN = {"an access token": r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}"}
"""Standard output may be asked for one; standard error never is."""
SHORTEST = 8
"""A shorter value would be found in innocent text."""


def know(whose: str, *values: str) -> None:
    """Remembers values that no output may contain. Each test process has a file of its own, so that none waits."""
    fresh = [json.dumps({"whose": whose, "value": value}) for value in values if len(value) >= SHORTEST]
    file = logs() / f"{os.getpid()}-{KNOWN}"
    file.touch(mode=0o600)
    with file.open("a") as lines:
        lines.writelines(f"{line}\n" for line in fresh)


def known(folder: Path) -> dict[str, str]:
    """Each secret with the name of the part that it belongs to."""
    found = {}
    for file in folder.glob(f"*-{KNOWN}"):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            found[entry["value"]] = entry["whose"]
    return found


def shapes(value: str) -> set[str]:
    """How a secret may look in a log: as it is, escaped for a URL or form or JSON, in base64 at any of its three offsets."""
    found = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
    raw = value.encode()
    for offset in range(3):
        # Only the characters that depend on nothing but the secret.
        whole = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        start, end = (0, 2, 3)[offset], len(whole) - 1
        middle = whole[start:end]
        if len(middle) >= SHORTEST:
            found |= {middle, middle.replace("+", "-").replace("/", "_")}
    return found


def search(files: Iterable[Path], values: dict[str, str]) -> Iterator[str]:
    """One sentence for each find: the file and the line, whose secret, and never the secret."""
    owner = {shape: f"a secret of {whose}" for value, whose in values.items() for shape in shapes(value)}
    # By their first characters: thousands of secrets cost one look-up for each place of a line. Longest first, so that a whole secret wins over one
    # that begins like it.
    beginning: dict[str, list[str]] = {}
    for shape in sorted(owner, key=len, reverse=True):
        beginning.setdefault(shape[:SHORTEST], []).append(shape)
    for file in files:
        looks = FORMS | (ACCESS_TOKEN if file.suffix == ".err" else {})
        names = list(looks)
        pattern = re.compile("|".join(f"({look})" for look in looks.values()))
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
            place = f"{file.name}:{number}"
            spans = []
            for found in pattern.finditer(line):
                spans.append(found.span())
                yield f"{place}: {names[(found.lastindex or 1) - 1]}"
            after = 0
            for at in range(len(line) - SHORTEST + 1):
                if at < after or (candidates := beginning.get(line[at : at + SHORTEST])) is None:
                    continue
                hit = next((shape for shape in candidates if line.startswith(shape, at)), None)
                if hit is not None and not any(start <= at < end for start, end in spans):
                    after = at + len(hit)
                    yield f"{place}: {owner[hit]}"


def control(folder: Path) -> list[str]:
    """Plants a secret with awkward signs in every shape; returns the shapes that the search did not find."""
    planted = f'planted+/=&%"{secrets.token_urlsafe(12)}'
    file = folder / "control.err"
    missed = []
    for shape in sorted(shapes(planted)):
        file.write_text(f"2026-01-01 INFO before {shape} after\n")
        if not list(search([file], {planted: "the control"})):
            missed.append(f"the search is blind to a planted secret in one of its shapes: {shape}")
    body = secrets.token_urlsafe(48)
    for looks in (f"0.emu{body}", f"1.emuc.{body}", f"emud.{body}", f"1.A{body}.{body}", f"eyJ{body}.eyJ{body}.{body}"):
        file.write_text(f"DEBUG {looks}\n")
        if not list(search([file], {})):
            missed.append(f"the search is blind to a token that begins with: {looks[:6]}")
    file.write_text("2026-01-01 INFO nothing here\n")
    if list(search([file], {planted: "the control"})):
        missed.append("the search finds a secret where none is")
    file.unlink()
    return missed


def main() -> int:
    folder = logs()
    outputs = sorted((folder / "outputs").glob("*"))
    values = known(folder)
    checks = {
        "the search finds what was planted": control(folder),
        "there is something to search, and something to search for": [
            f"{what}: none"
            for what, there in (("outputs of the command line", outputs), ("known secrets", values))
            if not there
        ],
        f"no secret of {len(values)} in the outputs of {len(outputs) // 2} programs": list(search(outputs, values)),
        "no secret in the log of a stage": list(search(sorted(folder.glob("*.log")), values)),
    }
    for name, complaints in checks.items():
        print(f"{'FAIL' if complaints else 'ok'}: {name}")
        for complaint in complaints[:20]:
            print(f"  {complaint}")
    for file in folder.glob(f"*-{KNOWN}"):
        file.unlink()
    failed = sum(bool(complaints) for complaints in checks.values())
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
