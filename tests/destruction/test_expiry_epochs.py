"""Sixty-four processes find one token ended at the same moment, over and over. One of them redeems, each time.

The server takes a refresh token once, and its second use ends the sign-in: two redemptions of one token would end the test.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from harness.cli import Answer, Cli
from processes.place import Place, follow_each_other
from processes.test_one_redemption import NO_LOCK

CROWD = 64


def crowd(program: Cli, place: Place) -> list[Answer]:
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(program.start(*place.ask("cli"))) for _ in range(CROWD)]
        return [Answer(process.wait(), process.stdout, process.stderr) for process in started]


def end_the_token(place: Place) -> None:
    """What follows finds no token that is good: the one it finds has a second to live, which is over."""
    place.emulator.control(access_token_lifetime=1)
    place.token("--fresh").expect()
    place.emulator.control(access_token_lifetime=3600)


@pytest.mark.soak(2)
def test_of_sixty_four_processes_one_redeems_in_each_epoch(place: Place, rounds: int) -> None:
    place.emulator.control(strict_refresh=True, revoke_family=True)
    for epoch in range(rounds):
        end_the_token(place)
        place.emulator.forget_requests()
        tokens = {answer.expect().stdout for answer in crowd(place.cli, place)}
        assert len(tokens) == 1, f"epoch {epoch}"
        assert [each["status"] for each in place.redemptions()] == [200], f"epoch {epoch}"
    print(f"{rounds} epochs of {CROWD} processes")
    place.token("--fresh").expect()
    assert follow_each_other(place.redemptions())


def test_without_the_lease_many_of_them_redeem(place: Place, tmp_path: Path) -> None:
    """Control: they do come at the same moment."""
    (tmp_path / "no_lock.c").write_text(NO_LOCK)
    library = tmp_path / "no_lock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "no_lock.c"], check=True)
    place.emulator.control(delay_ms=3000, path="token")
    end_the_token(place)
    place.emulator.forget_requests()
    crowd(place.cli.with_env(LD_PRELOAD=library), place)
    assert len(place.redemptions()) > 1
