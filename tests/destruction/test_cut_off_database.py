"""Three hosts, each in a network namespace of its own, on one PostgreSQL: a cable cut, the server stopped, the server killed.

A caller gets its token from memory, or a typed error before its patience ends; it recovers by itself, with no restart and nobody's help; and what the
server of tokens gave out is in the database in the end, or was never acknowledged. Refresh tokens work once here.
"""

from __future__ import annotations

import collections
import contextlib
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from destruction.calls import Calls
from destruction.clock import Clock
from destruction.network import HOSTS, POSTGRES, Network, inside
from harness import certificates
from harness.cli import Cli
from harness.emulator import Emulator
from harness.places import VENV
from harness.postgres import Postgres
from harness.process import START, Process
from processes.in_flight import is_connected
from processes.place import follow_each_other

pytestmark = pytest.mark.needs("postgresql", "iproute2")

NOTICED = 120.0
"""Seconds: a limit for the broken case, not a measure."""
HELD_UP = 8.0
"""Seconds: a question to the database is given ten (src/store/postgres/link.rs), and who has a token in hand waits for two (src/app/in_hand.rs)."""
HALF_A_LIFE = 1800
"""Seconds after which a token is to be renewed, and is good for as long again."""
EVENTS = ("cut", "stopped", "killed", "cut while redeeming")
TEMPORARY = {"StoreUnavailable", "DeadlineExceeded", "StoreUnwritable"}


class Fleet:
    """Three hosts, their database, one partner that has consented."""

    def __init__(self, folder: Path, emulator: Emulator, network: Network, postgres: Postgres, tls: Path) -> None:
        self.folder, self.emulator, self.network, self.postgres = folder, emulator, network, postgres
        self.database = urlsplit(postgres.database()).path
        self.authority_port = urlsplit(emulator.authority).port or 0
        self.tls = tls
        self.key = folder / "key"
        first = self.host(0)
        first("init", "--client-id", emulator.app()["client_id"], "--key-file", self.key).expect()
        partner = emulator.add_partners(1)[0]
        self.partner: str = partner["tenant"]["id"]
        self.upn: str = partner["user"]["upn"]
        self.consent()

    def consent(self) -> None:
        token = self.emulator.seed_grants(self.upn)[0]["refresh_token"]
        self.host(0)("import", self.partner, "--for", "graph", stdin=token).expect()

    def host(self, number: int, *program: str | Path) -> Cli:
        home = self.folder / f"host-{number}"
        home.mkdir(mode=0o700, exist_ok=True)
        address = self.network.address(number)
        env = {
            "PARTNERSAM_EMULATOR": str(self.emulator.ready_file),
            "PARTNERSAM_STORE": f"postgres://postgres@{address}:{POSTGRES}{self.database}?sslrootcert={self.tls}",
        }
        if self.key.exists():
            key = home / "key"
            if not key.exists():
                shutil.copy(self.key, key)
            env["PARTNERSAM_KEY_FILE"] = str(key)
        cli = Cli(home, env)
        return Cli(home, env, (*inside(self.network.hosts[number]), *(program or cli.program)))

    def python(self, number: int) -> Cli:
        return self.host(number, VENV / "bin" / "python", "USE")

    def token(self, number: int, *more: str) -> str:
        return self.host(number)("token", self.partner, "--for", "graph", *more).expect().stdout

    def wait_until_let_go(self, number: int) -> None:
        """Until the database has noticed that a host is gone, and what it held is free. Its system's own limit would be two hours."""
        until = time.monotonic() + NOTICED
        host = self.network.address(number, 2)
        while host in self.postgres.sql("postgres", "SELECT client_addr FROM pg_stat_activity").split():
            assert time.monotonic() < until, "the database keeps what a host held that is gone"
            time.sleep(0.2)

    def redemptions(self) -> list[dict[str, object]]:
        return self.emulator.requests(grant_type="refresh_token", tenant=self.partner)


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator) -> Iterator[Fleet]:
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network(emulator))
        addresses = [network.address(number) for number in range(HOSTS)]
        tls = certificates.for_names(tmp_path / "tls", *addresses)
        server = Postgres(
            fsync=True,
            settings=(
                f"listen_addresses={','.join(addresses)}",
                "ssl=on",
                "ssl_cert_file=server.pem",
                "ssl_key_file=server.key",
            ),
            clients="hostssl all all 192.0.2.0/24 trust\n",
            files={"server.pem": tls.chain_file, "server.key": tls.key_file},
            inside=inside(network.database),
        )
        stack.enter_context(server)
        emulator.control(strict_refresh=True)
        yield Fleet(tmp_path, emulator, network, server, tls.ca_file)


def test_a_host_that_is_cut_off_uses_its_token_and_comes_back_by_itself(fleet: Fleet) -> None:
    fleet.token(0)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Calls(fleet.python(number), fleet.partner)) for number in range(HOSTS)]
        for calls in callers:
            calls.wait_for("token", 2)
        fleet.emulator.forget_requests()
        fleet.network.cut(1)
        # The token in its memory is good; the others do not even notice.
        for calls in callers:
            calls.wait_for_more(20)
            assert set(calls.seen) <= {"token", "fresh"}
        # A process that has no token in its memory is told, and told whom to turn to.
        answer = fleet.host(1)("token", fleet.partner, "--for", "graph").expect(6)
        assert "who must act: the administrator of this machine" in answer.stderr
        # A sign-in that the others have renewed meanwhile is what the host goes on with.
        fleet.token(0, "--fresh")
        fleet.network.mend(1)
        fleet.token(1, "--fresh")
        fleet.token(2, "--fresh")
        assert follow_each_other(fleet.redemptions())
        assert {each["status"] for each in fleet.redemptions()} == {200}


def redeeming_when_cut(fleet: Fleet, number: int) -> Process:
    """A process of this host whose cable was cut while its redemption was at the server of tokens; it has ended."""
    fleet.emulator.control(delay_ms=3000, path="token")
    with fleet.host(number).start("token", fleet.partner, "--for", "graph", "--fresh") as process:
        until = time.monotonic() + START
        # The forwarder of its host is the only one that leads to the server of tokens for it.
        while not is_connected(fleet.network.forwarders[number].pid, fleet.authority_port):
            assert process.running, process.last_words()
            assert time.monotonic() < until, process.last_words()
            time.sleep(0.002)
        fleet.network.cut(number)
        assert process.wait() == 0, process.last_words()
    fleet.emulator.control(delay_ms=0, path="token")
    return process


def test_what_a_host_redeemed_while_it_was_cut_off_is_not_lost(fleet: Fleet) -> None:
    process = redeeming_when_cut(fleet, 1)
    assert "recovery journal" in process.stderr
    fleet.wait_until_let_go(1)
    # Another host knows nothing of it: the server refuses the token that was used up, and the grant is taken for dead.
    fleet.host(0)("token", fleet.partner, "--for", "graph", "--fresh").expect(4)
    fleet.network.mend(1)
    # The host brings what it kept, and everybody goes on.
    fleet.token(1, "--fresh")
    fleet.token(0, "--fresh")
    served = [each for each in fleet.redemptions() if each["status"] == 200]
    assert follow_each_other(served)


def test_without_its_journal_it_would_be_lost(fleet: Fleet) -> None:
    """Control."""
    redeeming_when_cut(fleet, 1)
    kept = list((fleet.folder / "host-1").rglob("*.sealed"))
    assert len(kept) == 1
    kept[0].unlink()
    fleet.network.mend(1)
    fleet.host(1)("token", fleet.partner, "--for", "graph", "--fresh").expect(4)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_database_that_is_gone_for_a_while_costs_nobody_a_restart(fleet: Fleet, how: str) -> None:
    # Good for ten seconds, for one with a minute left is not handed out: the callers want the database while it is gone.
    fleet.emulator.control(access_token_lifetime=70)
    fleet.token(0, "--fresh")
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Calls(fleet.python(number), fleet.partner)) for number in range(HOSTS)]
        for calls in callers:
            calls.wait_for("token", 2)
        if how == "stopped":
            fleet.postgres.signal(signal.SIGSTOP)
        else:
            fleet.postgres.kill()
        told = [calls.wait_for_error() for calls in callers]
        assert set(told) <= TEMPORARY, told
        gone = [len(calls.seen) for calls in callers]
        if how == "stopped":
            fleet.postgres.signal(signal.SIGCONT)
        else:
            fleet.postgres.start()
        for calls, since in zip(callers, gone, strict=True):
            calls.wait_for("fresh", since=since)
            calls.wait_for("token", 2, since=since)
            assert set(calls.seen) <= {"token", "fresh", *TEMPORARY}
        longest = max(calls.longest(*TEMPORARY) for calls in callers)
        print(f"longest wait for an error while the database was {how}: {longest:.2f} s")
    for number in range(HOSTS):
        fleet.token(number, "--fresh")
    served = fleet.redemptions()
    assert {each["status"] for each in served} == {200}, "no refresh token was used twice"
    assert follow_each_other(served)


@pytest.mark.needs("faketime")
def test_who_has_a_token_in_hand_is_not_held_up_by_a_database_that_does_not_answer(
    fleet: Fleet, tmp_path: Path
) -> None:
    """Stopped and not killed: the database takes every question and answers none, and half an hour later all would like a newer token."""
    clock = Clock(tmp_path)
    fleet.emulator.control(access_token_lifetime=2 * HALF_A_LIFE)
    fleet.token(0, "--fresh")
    with contextlib.ExitStack() as stack:
        hosts = [clock.shown_to(fleet.python(number)) for number in range(HOSTS)]
        callers = [stack.enter_context(Calls(host, fleet.partner)) for host in hosts]
        for calls in callers:
            calls.wait_for("token", 2)
        fleet.postgres.signal(signal.SIGSTOP)
        clock.jump(HALF_A_LIFE + 60)
        gone = [len(calls.seen) for calls in callers]
        for calls, since in zip(callers, gone, strict=True):
            # More than one statement of the database's is given up meanwhile.
            calls.wait_for("token", 150, since=since)
            assert set(calls.seen[since:]) == {"token"}
        longest = max(calls.longest("token") for calls in callers)
        print(f"longest wait of a caller with a token in hand: {longest:.2f} s")
        assert longest < HELD_UP, "a caller with a token in hand waited for the database"
        fleet.postgres.signal(signal.SIGCONT)
        for calls, since in zip(callers, gone, strict=True):
            calls.wait_for("fresh", since=since)
    assert {each["status"] for each in fleet.redemptions()} == {200}


@pytest.mark.soak(1)
def test_whatever_fails_in_whatever_order_the_callers_go_on(fleet: Fleet, rounds: int) -> None:
    chance = random.SystemRandom()
    fleet.token(0)
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Calls(fleet.python(number), fleet.partner)) for number in range(HOSTS)]
        for calls in callers:
            calls.wait_for("token", 2)
        happened: collections.Counter[str] = collections.Counter()
        for number in range(rounds):
            # Each as often as another, whatever comes by chance within.
            what = EVENTS[number % len(EVENTS)] if rounds > 1 else chance.choice(EVENTS)
            host = chance.randrange(HOSTS)
            happened[what] += 1
            if what == "stopped":
                fleet.postgres.signal(signal.SIGSTOP)
            elif what == "killed":
                fleet.postgres.kill()
            elif what == "cut":
                fleet.network.cut(host)
            else:
                assert "recovery journal" in redeeming_when_cut(fleet, host).stderr
            for calls in callers:
                calls.wait_for_more(chance.randrange(5, 40))
            if what == "stopped":
                fleet.postgres.signal(signal.SIGCONT)
            elif what == "killed":
                fleet.postgres.start()
            else:
                if what == "cut while redeeming":
                    fleet.wait_until_let_go(host)
                fleet.network.mend(host)
            # Who was cut off brings what it kept, and the others go on from there.
            for each in (host, *(each for each in range(HOSTS) if each != host)):
                fleet.token(each, "--fresh")
        for calls in callers:
            assert set(calls.seen) <= {"token", "fresh"}, calls.seen
        longest = max(calls.longest("token", "fresh") for calls in callers)
    print(f"{dict(happened)}; longest wait of a caller with a token in hand: {longest:.2f} s")
    served = fleet.redemptions()
    assert {each["status"] for each in served} == {200}, "no refresh token was used twice"
    assert follow_each_other(served)
