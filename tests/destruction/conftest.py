"""Fixtures of the proof by destruction."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from destruction import at_call
from harness.emulator import Emulator
from processes.place import Place, with_an_ended_token

SIDE_BY_SIDE = 2

Point = TypeVar("Point")


@pytest.fixture
def traced() -> None:
    """Skips by name where no program may be struck."""
    at_call.built()


@pytest.fixture
def offset() -> int:
    """Where a slice of many points begins: another one each time, so that runs of `make test` add up."""
    return random.SystemRandom().randrange(1_000_000)


@pytest.fixture
def place(home: Path, emulator: Emulator) -> Place:
    """One partner's grant, with a token for graph whose life has ended; tokens from now on live an hour."""
    return with_an_ended_token(home, emulator)


Made = Callable[[], Place]


@pytest.fixture
def make_place(home: Path) -> Iterator[Made]:
    """Makes machines with one grant each, and an emulator each: what one of them tells its server does not reach another's."""
    with contextlib.ExitStack() as stack:
        made: list[Place] = []

        def make() -> Place:
            folder = home / str(len(made))
            folder.mkdir(mode=0o700)
            place = Place(folder, stack.enter_context(Emulator()))
            made.append(place)
            return place

        yield make


def side_by_side(first: Place, make: Made, points: list[Point], work: Callable[[Place, list[Point]], None]) -> None:
    """Deals the points out to a few machines that work at the same time, the first among them."""
    hands = [points[number::SIDE_BY_SIDE] for number in range(min(SIDE_BY_SIDE, len(points)))]
    places = [first, *(make() for _ in hands[1:])]
    with ThreadPoolExecutor(len(hands)) as pool:
        list(pool.map(work, places, hands))
