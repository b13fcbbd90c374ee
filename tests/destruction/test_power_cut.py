"""The power fails after a command has said that it is done, and in the middle of one.

The server takes a refresh token once: what the store acknowledged and the disk does not have is a grant lost.
"""

from __future__ import annotations

import collections
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from destruction.at_call import calls_of, struck, under
from destruction.disk import Disk
from destruction.verbs import FIRST_IMPORT, IMPORT, REFRESH, RENEW, REVOKE, Verb, is_token, leftovers, next_token
from harness.emulator import Emulator
from processes.place import Place

pytestmark = [pytest.mark.usefixtures("traced"), pytest.mark.needs("e2fsprogs")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path) as mounted:
        yield mounted


@pytest.fixture
def on_disk(disk: Disk, emulator: Emulator) -> Place:
    """A machine whose home lies on that disk."""
    home = disk.root / "home"
    home.mkdir(mode=0o700)
    place = Place(home, emulator)
    emulator.control(strict_refresh=True, revoke_family=True)
    disk.settle()
    return place


@pytest.mark.soak(8)
def test_what_was_acknowledged_is_there_after_a_power_cut(disk: Disk, on_disk: Place, rounds: int) -> None:
    verbs = (REFRESH, RENEW, IMPORT, FIRST_IMPORT, REVOKE)
    for number in range(rounds):
        cut_after(disk, on_disk, verbs[number % len(verbs)])
    assert disk.cuts == rounds
    print(f"{disk.cuts} cuts after an acknowledgement")


def cut_after(disk: Disk, place: Place, verb: Verb) -> None:
    verb.prepare(place)
    disk.settle()
    answer = place.cli(*verb.arguments(place), stdin=verb.stdin(place)).expect()
    if verb is REFRESH:
        assert is_token(answer.stdout)
    disk.cut()
    if verb is REVOKE:
        place.token().expect(4)
        place.consent("graph").expect()
    next_token(place).expect()
    assert place.is_sound()
    assert leftovers(place) == set()


@pytest.mark.soak(8)
def test_a_power_cut_in_the_middle_leaves_the_old_or_the_new(disk: Disk, on_disk: Place, rounds: int) -> None:
    """Nothing was acknowledged, so at an authority that takes a token again, as Entra does, the grant goes on."""
    place, chance = on_disk, random.SystemRandom()
    place.emulator.control(strict_refresh=False)
    totals = {
        verb.name: len(calls_of(place.cli, *verb.arguments(place), how=tuple(under(place.store))))
        for verb in (REFRESH, RENEW)
    }
    seen: collections.Counter[str] = collections.Counter()
    for number in range(rounds):
        verb = (REFRESH, RENEW)[number % 2]
        disk.settle()
        at = 1 + chance.randrange(totals[verb.name])
        answer = struck(place.cli, *under(place.store), "--kill", at)(*verb.arguments(place))
        disk.cut()
        assert place.grant()["condition"] == "active"
        next_token(place).expect()
        assert place.is_sound()
        assert leftovers(place) == set()
        seen["ended" if answer.code == 0 else "killed"] += 1
    print(f"{disk.cuts} cuts in the middle, {dict(seen)}")
    assert seen["killed"]


def test_without_syncs_a_power_cut_loses_the_grant(disk: Disk, on_disk: Place) -> None:
    """Control: the cut does take away what was not synced."""
    place = on_disk
    answer = struck(place.cli, "--no-sync")(*place.ask("cli", "--fresh")).expect()
    assert is_token(answer.stdout)
    disk.cut()
    next_token(place).expect(4)
