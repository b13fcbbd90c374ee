"""The wall clock jumps, between processes and under one that lives on (libfaketime). The server's clock does not.

A token that has ended is not handed out because a clock went back, and no clock makes anybody redeem over and over.
"""

from __future__ import annotations

import base64
import json
import math
import random
import time
from pathlib import Path

import pytest

from destruction.calls import Calls
from destruction.clock import Clock
from processes.place import Place

pytestmark = pytest.mark.needs("faketime")

DAY = 24 * 3600
LEAST_LIFE = 62
"""Seconds: a token with a minute left or less is not handed out (src/app/token.rs), so this one is good for a moment."""


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


def ends(token: str) -> int:
    """When it ends by the server's clock: its `exp`."""
    payload = token.strip().split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_a_jump_between_processes_costs_one_redemption(place: Place, clock: Clock, jump: int) -> None:
    cli = clock.shown_to(place.cli)
    first = cli(*place.ask("cli")).expect().stdout
    place.emulator.forget_requests()
    clock.jump(jump)
    after = {cli(*place.ask("cli")).expect().stdout for _ in range(4)}
    assert len(after) == 1
    assert first not in after
    assert len(place.redemptions()) == 1
    # And once more when somebody puts the clock right.
    clock.jump(0)
    assert len({cli(*place.ask("cli")).expect().stdout for _ in range(4)}) == 1
    assert len(place.redemptions()) <= 2
    assert place.grant()["condition"] == "active"


def test_a_clock_that_went_back_makes_no_ended_token_good(place: Place, clock: Clock) -> None:
    place.emulator.control(access_token_lifetime=LEAST_LIFE)
    cli = clock.shown_to(place.cli)
    # The tokens of an hour from now on are told from the one that is about to end.
    ended = cli(*place.ask("cli", "--fresh")).expect().stdout
    place.emulator.control(access_token_lifetime=3600)
    # The server's clock goes on past the token's end, and ours goes back.
    place.emulator.control(clock_offset=LEAST_LIFE + 1)
    clock.jump(-DAY)
    given = cli(*place.ask("cli")).expect().stdout
    assert given != ended
    assert ends(given) > time.time() + LEAST_LIFE + 1


def test_a_turn_that_a_clock_far_ahead_put_off_is_taken_at_once(place: Place, clock: Clock) -> None:
    cli = clock.shown_to(place.cli)
    clock.jump(200 * DAY)
    cli("renew", place.partner).expect()
    place.emulator.forget_requests()
    cli("renew").expect()
    assert place.redemptions() == [], "by that clock its turn is a week away"
    # Somebody puts the clock right: by the record the next turn comes long after the grant's end.
    clock.jump(0)
    (grant,) = place.cli("status", place.partner, "--json").expect().json["grants"]
    assert (grant["condition"], grant["expires_in"]) == ("due", 90 * DAY)
    for _ in range(2):
        cli("renew").expect()
        assert len(place.redemptions()) == 1
    assert place.grant()["condition"] == "active"


def test_control_the_programs_do_see_that_clock(place: Place, clock: Clock) -> None:
    """Without a jump the same token is given out again; and with one the record says when it was, by that clock."""
    cli = clock.shown_to(place.cli)
    assert cli(*place.ask("cli")).expect().stdout == cli(*place.ask("cli")).expect().stdout
    clock.jump(3 * DAY)
    cli(*place.ask("cli", "--fresh")).expect()
    record = place.cli("audit", "show", "--json", "--operation", "token").expect().stdout.splitlines()
    told = json.loads(record[-1])["at"]
    assert told[:10] == time.strftime("%Y-%m-%d", time.gmtime(time.time() + 3 * DAY))


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
def test_a_jump_under_a_process_that_lives_costs_one_redemption(place: Place, clock: Clock, jump: int) -> None:
    place.token().expect()
    place.emulator.forget_requests()
    with Calls(clock.shown_to(place.program("python")), place.partner) as calls:
        calls.wait_for("token", 3)
        clock.jump(jump)
        calls.wait_for_more(12)
        clock.jump(0)
        calls.wait_for_more(12)
    assert set(calls.seen) <= {"token", "fresh"}
    # The first, and at most one for each jump.
    assert calls.seen.count("fresh") <= 3
    assert len(place.redemptions()) <= 2
    assert place.grant()["condition"] == "active"


FARTHEST = 20 * DAY
"""Within the life of the test's certificates and of a grant."""


def any_jump(chance: random.Random) -> int:
    """From a minute to weeks, forward or back, each order of magnitude as often as another."""
    return round(math.exp(chance.uniform(math.log(60), math.log(FARTHEST)))) * chance.choice((1, -1))


@pytest.mark.soak(3)
def test_jumps_of_any_length_between_processes_cost_one_redemption_each(
    place: Place, clock: Clock, rounds: int
) -> None:
    cli, chance, redeemed = clock.shown_to(place.cli), random.SystemRandom(), 0
    for number in range(rounds):
        jump = any_jump(chance)
        place.emulator.forget_requests()
        clock.jump(jump)
        given = {cli(*place.ask("cli")).expect().stdout for _ in range(3)}
        assert len(given) == 1, f"jump {number}: {jump}"
        assert ends(given.pop()) > time.time(), f"jump {number}: {jump}"
        assert len(place.redemptions()) <= 1, f"jump {number}: {jump}"
        redeemed += len(place.redemptions())
    # What was redeemed while the clock was weeks behind has its turn by now.
    place.cli("renew").expect()
    assert place.grant()["condition"] == "active"
    print(f"{rounds} jumps between processes, {redeemed} redemptions")


@pytest.mark.soak(1)
def test_a_clock_that_goes_back_again_and_again_makes_no_ended_token_good(
    place: Place, clock: Clock, rounds: int
) -> None:
    cli, chance, passed, shown = clock.shown_to(place.cli), random.SystemRandom(), 0, 0
    for number in range(rounds):
        place.emulator.control(access_token_lifetime=LEAST_LIFE)
        ended = cli(*place.ask("cli", "--fresh")).expect().stdout
        place.emulator.control(access_token_lifetime=3600)
        # The server's clock goes on past the token's end, and ours goes back by more than clocks differ.
        passed += LEAST_LIFE + 1
        place.emulator.control(clock_offset=passed)
        shown -= chance.randrange(360, 3600)
        clock.jump(shown)
        given = cli(*place.ask("cli")).expect().stdout
        assert given != ended, f"jump {number} to {shown}"
        assert ends(given) > time.time() + passed, f"jump {number} to {shown}"
    print(f"{rounds} tokens ended while the clock went back to {shown} s")


@pytest.mark.soak(4)
def test_jumps_of_any_length_under_a_process_that_lives_cost_one_redemption_each(
    place: Place, clock: Clock, rounds: int
) -> None:
    chance = random.SystemRandom()
    place.token().expect()
    place.emulator.forget_requests()
    with Calls(clock.shown_to(place.program("python")), place.partner) as calls:
        calls.wait_for("token", 3)
        for _ in range(rounds):
            clock.jump(any_jump(chance))
            calls.wait_for_more(6)
        clock.jump(0)
        calls.wait_for_more(6)
    assert set(calls.seen) <= {"token", "fresh"}
    # The first, and at most one for each jump.
    assert calls.seen.count("fresh") <= rounds + 2
    assert len(place.redemptions()) <= rounds + 1
    assert place.grant()["condition"] == "active"
    print(f"{rounds} jumps under a process, {len(place.redemptions())} redemptions")
