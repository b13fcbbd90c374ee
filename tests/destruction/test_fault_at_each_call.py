"""The disk is full, broken, read-only or forbidden at each change of a file.

One fault alone loses nothing, ever, at a server that takes a refresh token once: the token goes to its place or into the recovery journal.
Faults that stay lose a token only where the program says loudly that it is in its memory alone. Each ends in a typed error that says who
must act, and once the disk is well again the next command runs as if nothing had been.
"""

from __future__ import annotations

import collections
import errno
import itertools
import re

import pytest

from destruction.at_call import calls_of, spread, struck, under
from destruction.conftest import Made, side_by_side
from destruction.verbs import REFRESH, REVOKE, VERBS, Verb, is_token, leftovers, next_token
from harness.cli import Answer
from processes.place import Place

pytestmark = pytest.mark.usefixtures("traced")

FAULTS = {
    errno.ENOSPC: {"store-unwritable"},
    errno.EROFS: {"store-unwritable"},
    errno.EACCES: {"store-forbidden", "store-unwritable"},
    errno.EIO: {"store-unwritable"},
}
ANY_FAULT = {"store-unavailable", "audit-unwritable"}
"""SQLite does not say why a file cannot be opened, and a line of the audit record is told of as such whatever the reason. The values are sections of
TROUBLESHOOTING.md; in each the administrator of this machine acts."""

LAST_RESORT = "memory of this process"

Point = tuple[int, int]


@pytest.mark.soak(8)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_one_fault_loses_nothing(make_place: Made, verb: Verb, rounds: int, offset: int) -> None:
    faulted(make_place, verb, "--fail", rounds, offset)


@pytest.mark.soak(8)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_fault_that_stays_loses_nothing_unsaid(make_place: Made, verb: Verb, rounds: int, offset: int) -> None:
    faulted(make_place, verb, "--fail-from", rounds, offset)


def faulted(make_place: Made, verb: Verb, way: str, rounds: int, offset: int) -> None:
    outcomes: collections.Counter[str] = collections.Counter()

    def work(place: Place, points: list[Point]) -> None:
        place.emulator.control(strict_refresh=True, revoke_family=True)
        for fault, number in points:
            outcomes[survived(place, verb, way, fault, number)] += 1

    first = make_place()
    verb.prepare(first)
    calls = calls_of(first.cli, *verb.arguments(first), stdin=verb.stdin(first), how=tuple(under(first.store)))
    every = list(itertools.product(FAULTS, range(1, len(calls) + 1)))
    points = [every[number - 1] for number in spread(len(every), min(rounds, len(every)), offset)]
    side_by_side(first, make_place, points, work)
    print(f"{verb.name} {way}: {len(points)} of {len(every)} faults, {dict(outcomes)}")
    assert outcomes.total() == len(points)


def survived(place: Place, verb: Verb, way: str, fault: int, number: int) -> str:
    """One fault, and everything that must be true after it."""
    where = f"{errno.errorcode[fault]} at call {number} of {verb.name} ({way})"
    verb.prepare(place)
    answer = struck(place.cli, *under(place.store), way, fault, number)(*verb.arguments(place), stdin=verb.stdin(place))
    outcome = told(answer, fault, where)
    if verb is REFRESH and answer.code == 0:
        assert is_token(answer.stdout), where
    if LAST_RESORT in answer.stderr:
        assert way == "--fail-from", f"{where}: the journal was there to be used"
        consent_again(place)
    elif verb.finish is not None:
        if "kept: recovery journal" in answer.stderr or (answer.code == 0 and verb is not REVOKE):
            next_token(place).expect()
        verb.finish(place)
    next_token(place).expect()
    assert leftovers(place) == set(), where
    assert place.is_sound(), where
    return outcome


def told(answer: Answer, fault: int, where: str) -> str:
    """How the command ended; where it did not end well, that it says what the matter is, and with whom."""
    assert answer.code in (0, 6), f"{where}: {answer}"
    assert "panicked" not in answer.stderr, where
    if answer.code == 0:
        return "done"
    assert answer.stdout == "", where
    section = re.search(r"^see: \S+#([a-z-]+)$", answer.stderr, re.MULTILINE)
    assert section, f"{where}: {answer.stderr[-1500:]}"
    assert section[1] in FAULTS[fault] | ANY_FAULT, f"{where}: {answer.stderr[-1500:]}"
    assert "who must act: the administrator of this machine" in answer.stderr, where
    return section[1]


def consent_again(place: Place) -> None:
    place.consent("graph").expect()
