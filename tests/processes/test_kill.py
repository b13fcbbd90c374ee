"""Processes that are killed (SIGKILL: no handler, no flush, no goodbye) at random moments while they redeem.

Against Entra, where an old refresh token stays good: wherever the kill hits, the next process gets a token, the store is
sound, and no lock is left to wait for. Against a server where a refresh token works once, a kill between the server's answer
and the store's write loses the grant, and nothing on the client can prevent it; but once a token was printed, its refresh
token is on disk, so a kill after that loses nothing.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.emulator import Emulator
from processes.place import Place, follow_each_other

SIDE_BY_SIDE = 4
NO_LOCK_TO_WAIT_FOR = 30.0
"""Seconds, for a process that takes a tenth of one. A lease left behind would hold it up for 45."""
ENOUGH = 200
"""Rounds after which each kind of moment has been hit, all but certainly."""


@dataclass
class Tally:
    """Where the kills fell."""

    too_late: int = 0
    """The process had ended."""
    before: int = 0
    """Nothing had been written."""
    written: int = 0
    """The rotated grant was in the store, and the process did not come to its end."""
    rotations: int = 0
    """Changes of the record, over all rounds."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.too_late + other.too_late,
            self.before + other.before,
            self.written + other.written,
            self.rotations + other.rotations,
        )


def spread(home: Path, emulator: Emulator, rounds: int, run: Callable[[Place, int], Tally]) -> Tally:
    """The rounds in several places at once, each with a partner, a store and processes of its own."""
    places = []
    for number in range(min(SIDE_BY_SIDE, rounds)):
        folder = home / str(number)
        folder.mkdir(mode=0o700)
        places.append(Place(folder, emulator))
    emulator.forget_requests()
    share, rest = divmod(rounds, len(places))
    shares = [share + (number < rest) for number in range(len(places))]
    total = Tally()
    with ThreadPoolExecutor(len(places)) as pool:
        for tally in pool.map(run, places, shares):
            total += tally
    assert all(place.is_sound() for place in places)
    return total


def length_of_a_run(place: Place) -> float:
    """Seconds that a redemption takes here and now, so that the kills fall into it."""
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        place.token("--fresh").expect()
        seconds.append(time.monotonic() - started)
    return statistics.median(seconds)


def killed_at_any_moment(place: Place, rounds: int) -> Tally:
    tally, chance = Tally(), random.SystemRandom()
    first = place.grant()["generation"]
    length = length_of_a_run(place)
    known = place.grant()["generation"]
    for number in range(rounds):
        verb = ["renew", place.partner] if number % 2 else place.ask("cli", "--fresh")
        with place.cli.start(*verb) as process:
            time.sleep(chance.uniform(0, 1.2 * length))
            process.kill()
        after = place.grant()
        assert after["condition"] == "active"
        assert process.popen.returncode in (0, -signal.SIGKILL), process.last_words()
        if process.popen.returncode == 0:
            tally.too_late += 1
        elif after["generation"] == known:
            tally.before += 1
        else:
            tally.written += 1
        started = time.monotonic()
        place.token("--fresh", limit=NO_LOCK_TO_WAIT_FOR).expect()
        # The machine is shared: what a run takes may change while the rounds go on.
        length = 0.8 * length + 0.2 * (time.monotonic() - started)
        known = place.grant()["generation"]
        assert known == after["generation"] + 1
    tally.rotations = known - first
    return tally


@pytest.mark.soak(500)
def test_a_kill_at_any_moment_loses_no_grant(home: Path, emulator: Emulator, rounds: int) -> None:
    tally = spread(home, emulator, rounds, killed_at_any_moment)
    assert tally.too_late + tally.before + tally.written == rounds
    served = emulator.requests()[-1]["number"]
    assert served >= tally.rotations
    if rounds >= ENOUGH:
        # Else it would not have been shown for these moments: before anything was sent or stored, between the server's
        # answer and the store's write, and between the write and the end.
        assert tally.before
        assert served > tally.rotations
        assert tally.written


def killed_once_printed(place: Place, rounds: int) -> Tally:
    tally = Tally()
    for _ in range(rounds):
        with place.cli.start(*place.ask("cli", "--fresh")) as process:
            while process.running and not process.out_file.stat().st_size:
                os.sched_yield()
            process.kill()
        assert process.stdout.count(".") == 2, process.last_words()
        if process.popen.returncode == 0:
            tally.too_late += 1
        else:
            tally.written += 1
        # The server takes each refresh token once: this one must be the one that came with the printed token.
        place.token("--fresh", limit=NO_LOCK_TO_WAIT_FOR).expect()
    assert follow_each_other(place.redemptions())
    return tally


@pytest.mark.soak(100)
def test_what_was_printed_is_durable(home: Path, emulator: Emulator, rounds: int) -> None:
    emulator.control(strict_refresh=True, revoke_family=True)
    tally = spread(home, emulator, rounds, killed_once_printed)
    assert tally.too_late + tally.written == rounds
    assert {each["status"] for each in emulator.requests()} == {200}
    # Else every process had ended by itself.
    assert tally.written or rounds < 50
