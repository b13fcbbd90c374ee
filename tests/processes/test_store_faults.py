"""A store that cannot be written: nothing is redeemed where that is known before, and nothing is lost where it comes to light after."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from harness.cli import Cli
from processes.in_flight import wait_until_sent
from processes.place import Place, follow_each_other

BOUND_BY_MODES = (
    "/usr/bin/setpriv",
    "--inh-caps=-all",
    "--bounding-set=-dac_override,-dac_read_search",
)
"""Root, too, then reads and writes only what the modes of files allow."""


def bound(cli: Cli) -> Cli:
    return Cli(cli.home, cli.env, (*BOUND_BY_MODES, *cli.program)) if os.geteuid() == 0 else cli


@pytest.mark.parametrize("face", ["cli", "python"])
@pytest.mark.parametrize(("what", "error"), [("file", "StoreUnwritable"), ("folder", "StoreForbidden")])
def test_a_store_that_can_only_be_read_redeems_nothing(place: Place, what: str, error: str, face: str) -> None:
    program = bound(place.program(face))
    closed = place.store if what == "file" else place.store.parent
    mode = stat.S_IMODE(closed.stat().st_mode)
    closed.chmod(mode & ~0o222)
    answer = program(*place.ask(face, "--fresh", *(["--json"] if face == "cli" else [])))
    closed.chmod(mode)
    assert answer.code == (6 if face == "cli" else 1), answer
    assert error in (answer.stdout if face == "cli" else answer.stderr)
    assert place.redemptions() == []
    # Once it can be written again nothing of the fault is left.
    program(*place.ask(face, "--fresh")).expect()


@pytest.mark.parametrize("face", ["cli", "python"])
def test_a_token_that_came_is_handed_out_although_its_grant_could_not_be_stored(place: Place, face: str) -> None:
    emulator = place.emulator
    emulator.control(strict_refresh=True, revoke_family=True)
    emulator.control(delay_ms=2000, path="token")
    with place.program(face).start(*place.ask(face)) as process:
        wait_until_sent(process, emulator.authority)
        # The store was writable when the redemption was sent, and is not when the answer comes.
        with place.written_by_another():
            assert process.wait() == 0, process.last_words()
        assert process.stdout.count(".") == 2
        assert "recovery journal" in process.stderr
    emulator.control(delay_ms=0, path="token")
    kept = list(place.journal.iterdir())
    assert len(kept) == 1
    assert_private(place.journal, *kept)

    # The server takes the old refresh token no more, and to try it would end the sign-in. The next process goes on with the one in the journal.
    place.token("--fresh").expect()
    assert not place.journal.exists()
    redeemed = place.redemptions()
    assert [each["status"] for each in redeemed] == [200, 200]
    assert follow_each_other(redeemed)
    assert place.grant()["condition"] == "active"


def test_the_journal_says_so_in_json_too(place: Place) -> None:
    place.emulator.control(delay_ms=2000, path="token")
    with place.cli.start(*place.ask("cli", "--json")) as process:
        wait_until_sent(process, place.emulator.authority)
        with place.written_by_another():
            assert process.wait() == 0, process.last_words()
    answer = place.cli("status", "--json").expect()
    assert not place.journal.exists(), "the next process that reads the store applies it"
    assert answer.json["grants"][0]["condition"] == "active"


def test_a_store_that_is_busy_before_the_redemption_redeems_nothing(place: Place) -> None:
    with place.written_by_another():
        answer = place.token()
    assert answer.code in (5, 6), answer
    assert place.redemptions() == []
    place.token().expect()


def assert_private(folder: Path, *files: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
