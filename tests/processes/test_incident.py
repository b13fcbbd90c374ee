"""`partnersam incident` killed (SIGKILL) at any moment and run again: each step is done once or done over, and nothing is left behind."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from harness import canary
from harness.emulator import Emulator
from harness.signing_key import SigningKey
from processes.place import Place

SLOWLY = 25
"""Milliseconds that each answer is late, so that the kills fall between requests and into them."""


def configured(home: Path, emulator: Emulator, form: str) -> Place:
    secret = emulator.app()["client_secret"]
    key = SigningKey(home, Path(emulator.app()["certificates"][0]["pem_file"]))
    (home / "secret").write_text(secret)
    lines = {
        "secrets": lambda: f'client_secret_file = "{home / "secret"}"\n',
        "certificates": lambda: (
            f'certificate_file = "{key.certificate_file()}"\ncertificate_key_file = "{key.key_file()}"\n'
        ),
    }[form]()
    place = Place(home, emulator, init=("--key-file", home / "store-key"), consented=False)
    config = home / "configured.toml"
    client_id, tenant = emulator.app()["client_id"], "vendor.example"
    config.write_text(f'client_id = "{client_id}"\ntenant = "{tenant}"\nkey = "file:{home / "store-key"}"\n{lines}')
    place.env["PARTNERSAM_CONFIG"] = str(config)
    return place


@pytest.mark.soak(8)
@pytest.mark.parametrize("form", ["secrets", "certificates"])
def test_an_incident_that_is_killed_is_gone_on_with(home: Path, emulator: Emulator, rounds: int, form: str) -> None:
    place, chance = configured(home, emulator, form), random.SystemRandom()
    known = emulator.registered(form)
    emulator.control(delay_ms=SLOWLY, path="any")
    place.consent("graph").expect()
    started = time.monotonic()
    place.cli("incident", "--all", "--yes").expect(4)  # it may not end sign-ins here
    length = time.monotonic() - started
    ended_by_itself = 0
    for number in range(rounds):
        before = emulator.registered(form)
        # The new credential works: else there would be no grant.
        place.consent("graph").expect()
        with place.cli.start("incident", "--all", "--yes") as process:
            # Each part of the run has its kills, however few the rounds are.
            time.sleep(length * (number + chance.random()) / rounds)
            process.kill()
        assert process.popen.returncode in (4, -signal.SIGKILL), process.last_words()
        ended_by_itself += process.popen.returncode == 4
        answer = place.cli("incident", "--all", "--yes", "--json")
        document = answer.expect(4 if answer.code == 4 else 0).json
        assert document["settled"]
        assert {step["outcome"] for step in document["steps"]} <= {"done", "done_before", "by_hand"}
        assert [step["step"] for step in document["steps"] if step["outcome"] == "by_hand"] in ([], ["sessions"])
        evidence = Path(document["evidence"]).read_text()
        assert json.loads(evidence)["incident"] == document["incident"]
        assert "PRIVATE KEY" not in evidence
        assert place.cli("status", "--json").expect().json["grants"] == []
        after = emulator.registered(form)
        assert not after.keys() & before.keys(), "the old one is out"
        assert len(after) == len(known), "no stray is left"
        if form == "secrets":
            secret = (home / "secret").read_text()
            canary.know("the app", secret)
            assert secret not in evidence
        left = {path.name for path in home.iterdir() if path.name.split(".")[-1] in ("next", "both", "unfinished")}
        assert not left
    assert ended_by_itself < rounds
    assert place.cli("audit", "verify").expect().stdout.count("whole") == 1
