"""SIGKILL at each system call of a refresh and of each verb that changes a store.

The server takes a refresh token once. So whatever the store acknowledged must be there: the next process redeems what it holds. In one
window nothing on the client can help, between the server's answer and the commit; nothing was handed out then, and an authority that
takes a token again, as Entra does, goes on with the old one. That is played, too.
"""

from __future__ import annotations

import collections
import signal
from pathlib import Path

import pytest

from destruction.at_call import calls_of, read, spread, struck, under
from destruction.conftest import Made, side_by_side
from destruction.verbs import (
    FIRST_IMPORT,
    MIGRATE,
    RECOVER,
    REFRESH,
    REVOKE,
    VERBS,
    Verb,
    generation,
    is_token,
    leftovers,
    next_token,
    served,
)
from harness.cli import Answer, Cli
from harness.emulator import Emulator
from processes.place import Place

pytestmark = pytest.mark.usefixtures("traced")

Tally = collections.Counter[str]


@pytest.mark.soak(8)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_kill_at_any_call_loses_nothing_acknowledged(make_place: Made, verb: Verb, rounds: int, offset: int) -> None:
    tally = Tally()

    def work(place: Place, numbers: list[int]) -> None:
        place.emulator.control(strict_refresh=True, revoke_family=True)
        for number in numbers:
            tally[killed_at(place, verb, number)] += 1

    first = make_place()
    verb.prepare(first)
    total = len(calls_of(first.cli, *verb.arguments(first), stdin=verb.stdin(first)))
    side_by_side(first, make_place, spread(total, rounds, offset), work)
    print(f"{verb.name}: {total} calls, {dict(tally)}")
    assert sum(tally.values()) == len(spread(total, rounds, offset))
    assert tally["killed"] + tally["in the window"] > 0


@pytest.mark.soak(10)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_a_kill_at_any_change_of_a_file_loses_nothing_acknowledged(
    make_place: Made, verb: Verb, rounds: int, offset: int
) -> None:
    """The same where it matters most: before each write, sync, rename, unlink of the store, its journal and the audit record."""
    tally = Tally()

    def work(place: Place, numbers: list[int]) -> None:
        place.emulator.control(strict_refresh=True, revoke_family=True)
        for number in numbers:
            tally[killed_at(place, verb, number, *under(place.store))] += 1

    first = make_place()
    verb.prepare(first)
    total = len(calls_of(first.cli, *verb.arguments(first), stdin=verb.stdin(first), how=tuple(under(first.store))))
    # No more often than each once: here the calls are the same every time.
    points = spread(total, min(rounds, total), offset)
    side_by_side(first, make_place, points, work)
    print(f"{verb.name}: {total} changes of files, {dict(tally)}")
    assert tally["killed"] + tally["in the window"] > 0


@pytest.mark.soak(12)
def test_an_init_that_was_killed_is_simply_made_again(home: Path, emulator: Emulator, rounds: int, offset: int) -> None:
    """Its files hold a secret and the store's key: none is left half, and none stands in the way of the next."""
    app = emulator.app()

    def init(folder: Path, *how: str | int | Path) -> Answer:
        folder.mkdir(mode=0o700, exist_ok=True)
        cli = Cli(folder, {"PARTNERSAM_EMULATOR": str(emulator.ready_file)})
        asked = ("init", "--client-id", app["client_id"], "--client-secret-file", "-", "--key-file", folder / "key")
        return (struck(cli, *under(folder), *how) if how else cli)(*map(str, asked), stdin=app["client_secret"])

    init(home / "whole", "--list", home / "calls").expect()
    total = len(list(read(home / "calls")))
    for number in spread(total, min(rounds, total), offset):
        folder = home / str(number)
        assert init(folder, "--kill", number).code == -signal.SIGKILL
        again = init(folder)
        # The configuration is the last file: where it is there everything is.
        assert again.code == 0 or "there is a configuration file already" in again.stderr, again
        Place(folder, emulator, init=None).token().expect()
        assert not [file for file in folder.rglob("*") if file.name.endswith((".unfinished", "-journal"))]
    print(f"init: {min(rounds, total)} of {total} changes of files")


def test_a_store_that_only_says_it_wrote_is_found_out(place: Place) -> None:
    """Control: the log's writes are not carried out and report success. The check above sees that the token printed is lost."""
    place.emulator.control(strict_refresh=True, revoke_family=True)
    before, served_before = generation(place), served(place)
    answer = struck(place.cli, "--pretend", "grants.db-wal")(*place.ask("cli", "--fresh")).expect()
    assert is_token(answer.stdout)
    with pytest.raises(AssertionError):
        goes_on(place, REFRESH, answer, before, served_before)


def test_a_file_that_is_written_in_its_place_is_found_torn(home: Path) -> None:
    """Control: the kills do fall between a file's truncation and its end. This is how a cache that rewrites its file in place is lost."""
    cache, new = home / "cache.json", home / "new.json"
    dd = Cli(home, program=("/bin/dd", f"if={new}", f"of={cache}", "bs=65536"))
    torn = 0
    for number in range(1, 20):
        new.write_text("new" * 100_000)
        cache.write_text("old" * 100_000)
        if struck(dd, *under(cache), "--kill", number)().code == 0:
            break
        torn += cache.read_text() not in ("old" * 100_000, "new" * 100_000)
    assert torn


def killed_at(place: Place, verb: Verb, number: int, *how: str) -> str:
    """One kill, and everything that must be true after it."""
    verb.prepare(place)
    before, served_before = generation(place), served(place)
    answer = struck(place.cli, *how, "--kill", number)(*verb.arguments(place), stdin=verb.stdin(place))
    assert answer.code in (0, -signal.SIGKILL), answer
    if verb is REFRESH and answer.stdout:
        assert is_token(answer.stdout), f"half a token: {len(answer.stdout)} bytes"
    verdict = goes_on(place, verb, answer, before, served_before)
    assert leftovers(place) == set(), f"left by a kill at call {number} of {verb.name}"
    assert place.is_sound()
    return verdict


def goes_on(place: Place, verb: Verb, answer: Answer, before: int | None, served_before: int) -> str:
    """The next process gets its token from what the store holds."""
    after = generation(place)
    if answer.code == 0:
        assert after != before or verb in (RECOVER, FIRST_IMPORT, MIGRATE), "done, and nothing written"
    is_window = after == before and served(place) > served_before and not answer.stdout
    if verb.finish is not None:
        if answer.code != 0 and after is None:
            place.token().expect(4)
        elif verb is not REVOKE:
            next_token(place).expect()
        verb.finish(place)
    elif is_window:
        place.emulator.control(strict_refresh=False)
        next_token(place).expect()
        place.emulator.control(strict_refresh=True)
    next_token(place).expect()
    if is_window:
        return "in the window"
    return "ended" if answer.code == 0 else "killed"
