"""Many processes find one token ended at the same moment, and one of them redeems.

The server is as strict as servers get: a refresh token works once, and its second use ends the whole sign-in. So two
redemptions of one refresh token do not only cost a call, they cost the grant.

What makes the number one is two things: a lease that one process holds while it redeems, and a second look into the store by
whoever gets the lease next. The two controls below take away one each, from outside: without the lease all processes redeem
the same refresh token; without the second look (`--fresh` forgoes it) each redeems, one after the other. To see the first
test itself fail, take either out of `redeem` in src/app/redeem.rs: make `lease` None, or skip the look at `kept_token`.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from harness.cli import Answer, Cli
from processes.place import Place, follow_each_other

CROWD = 16
NO_LOCK = """
/* A lease that everybody gets at once: SQLite does not lock by open files. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>

static int locked(const char *name, int file, int command, va_list more) {
    void *argument = va_arg(more, void *);
    int (*real)(int, int, void *) = (int (*)(int, int, void *))dlsym(RTLD_NEXT, name);
    return command == F_OFD_SETLK ? 0 : real(file, command, argument);
}
#define AS(name) \
    int name(int file, int command, ...) { \
        va_list more; va_start(more, command); int result = locked(#name, file, command, more); va_end(more); return result; \
    }
AS(fcntl)
AS(fcntl64)
"""


def crowd(program: Cli, arguments: list[str]) -> list[Answer]:
    """The same process so many times at once, each to its end."""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(program.start(*arguments)) for _ in range(CROWD)]
        return [Answer(process.wait(), process.stdout, process.stderr) for process in started]


@pytest.mark.parametrize("face", ["cli", "python"])
def test_sixteen_processes_at_one_ended_token_redeem_once(place: Place, face: str) -> None:
    place.emulator.control(strict_refresh=True, revoke_family=True)
    # Long enough for all of them to have come to the lease while the first one's redemption is on its way.
    place.emulator.control(delay_ms=3000, path="token")
    answers = crowd(place.program(face), place.ask(face))
    tokens = {answer.expect().stdout for answer in answers}
    assert len(tokens) == 1
    assert tokens.pop().count(".") == 2
    assert [each["status"] for each in place.redemptions()] == [200]
    # And the grant goes on: what was stored is what the server takes next.
    place.emulator.control(delay_ms=0, path="token")
    place.token("--fresh").expect()
    assert follow_each_other(place.redemptions())


def test_without_the_lease_they_all_redeem(place: Place, tmp_path: Path) -> None:
    """Control: the server counts, and the processes do come at the same moment."""
    (tmp_path / "no_lock.c").write_text(NO_LOCK)
    library = tmp_path / "no_lock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "no_lock.c"], check=True)
    place.emulator.control(delay_ms=3000, path="token")
    answers = crowd(place.cli.with_env(LD_PRELOAD=library), place.ask("cli"))
    redeemed = place.redemptions()
    assert len(redeemed) > 1
    assert len({each["refresh_token_sha256"] for each in redeemed}) < len(redeemed)
    assert {answer.code for answer in answers} == {0}, "Entra takes a refresh token more than once"


@pytest.mark.parametrize("face", ["cli", "python"])
def test_sixteen_that_want_a_new_token_stand_in_line(place: Place, face: str) -> None:
    """Control: without the second look there are sixteen redemptions. None of them is of a token that was used before."""
    place.emulator.control(strict_refresh=True, revoke_family=True)
    answers = crowd(place.program(face), place.ask(face, "--fresh"))
    assert len({answer.expect().stdout for answer in answers}) == CROWD
    redeemed = place.redemptions()
    assert [each["status"] for each in redeemed] == [200] * CROWD
    assert follow_each_other(redeemed)
    assert place.grant()["condition"] == "active"
