"""The lease is for load, never for correctness: it dies with its holder, and a holder that hangs is not waited for for ever."""

from __future__ import annotations

import signal

from harness.cli import Answer
from harness.process import Process
from processes.in_flight import wait_until_sent
from processes.place import Place, follow_each_other

LATE = 5000
"""Milliseconds by which the server's answer is late: the first process is stopped or killed in this time."""


def redeeming(place: Place) -> Process:
    """A process that holds the lease, and waits for the server."""
    place.emulator.control(delay_ms=LATE, path="token")
    process = place.cli.start(*place.ask("cli"))
    wait_until_sent(process, place.emulator.authority)
    return process


def ended(process: Process, limit: float = 120.0) -> Answer:
    return Answer(process.wait(limit), process.stdout, process.stderr)


def test_a_lease_dies_with_the_process_that_holds_it(place: Place) -> None:
    with redeeming(place) as first, place.cli.start(*place.ask("cli")) as second:
        first.kill()
        place.emulator.control(delay_ms=0, path="token")
        # Not after the 45 seconds for which a living holder is waited for.
        ended(second, limit=30).expect()
    place.token("--fresh").expect()


def test_a_lease_goes_from_one_dead_process_to_the_next(place: Place) -> None:
    """Each of a row of processes is killed while it holds the lease; nothing has to be cleared away by anybody."""
    for _ in range(5):
        with redeeming(place) as process:
            process.kill()
    place.emulator.control(delay_ms=0, path="token")
    place.token(limit=30).expect()
    assert place.grant()["condition"] == "active"


def test_a_stopped_holder_is_not_waited_for_for_ever(place: Place) -> None:
    """It holds the lease and is not dead. After 45 seconds the next one redeems all the same; what the first brings then does no harm."""
    with redeeming(place) as first:
        first.signal(signal.SIGSTOP)
        place.emulator.control(delay_ms=0, path="token")
        theirs = place.token().expect()
        after = place.grant()["generation"]
        first.signal(signal.SIGCONT)
        own = ended(first).expect()
    # The refresh token that came first stays: the late one is not written over it.
    assert place.grant()["generation"] == after
    assert own.stdout.count(".") == 2
    assert place.token().expect().stdout == theirs.stdout
    place.token("--fresh").expect()
    assert place.grant()["condition"] == "active"


def test_a_stopped_holder_that_is_killed_is_not_waited_for(place: Place) -> None:
    with redeeming(place) as first:
        first.signal(signal.SIGSTOP)
        place.emulator.control(delay_ms=0, path="token")
        with place.cli.start(*place.ask("cli")) as second:
            first.kill()
            ended(second, limit=30).expect()


def test_strict_and_two_services_at_once(place: Place) -> None:
    """Each service has a lease of its own where the authority is Entra. Should it ever take refresh tokens only once, as here, then
    who comes second is refused, finds what the first has stored meanwhile, and goes on with that."""
    place.consent("graph,arm").expect()
    place.emulator.forget_requests()
    for _ in range(10):
        place.emulator.control(strict_refresh=True)
        asked = [place.cli.start(*place.ask("cli", "--fresh", audience=name)) for name in ("graph", "arm")]
        for process in asked:
            with process:
                ended(process).expect()
        assert place.grant()["condition"] == "active"
    served = [each for each in place.redemptions() if each["status"] == 200]
    assert len(served) == 20
    assert follow_each_other(served)
