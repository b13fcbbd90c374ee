"""Several hosts on one PostgreSQL: homes of their own, one key, one database."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from harness.emulator import Emulator
from harness.postgres import Postgres
from harness.process import Process
from processes.fleet import Fleet

GRANTS = 12

pytestmark = pytest.mark.needs("postgresql")


def test_of_four_processes_that_renew_at_once_one_renews_each_grant(fleet: Fleet, emulator: Emulator) -> None:
    partners = fleet.consents(GRANTS)
    emulator.forget_requests()
    # Nobody is done before everybody has begun: within thirty days, what was renewed just now is due again.
    emulator.control(delay_ms=1500, path="token")
    hosts = [fleet.host(f"host-{number}").start("renew", "--within", "30", "--json") for number in range(4)]
    renewed = []
    for host in hosts:
        with host:
            assert host.wait(120) == 0, host.stderr
            renewed += [each["partner"] for each in json.loads(host.stdout)["partners"]]
    assert sorted(renewed) == sorted(partners)
    assert len(emulator.requests(grant_type="refresh_token")) == GRANTS


def test_what_one_host_stored_another_has_and_what_one_revoked_none_has(fleet: Fleet, emulator: Emulator) -> None:
    (partner,) = fleet.consents(1)
    emulator.forget_requests()
    one = fleet.host("one")("token", partner, "--for", "graph", "--show").expect().stdout
    assert fleet.host("two")("token", partner, "--for", "graph", "--show").expect().stdout == one
    assert len(emulator.requests(grant_type="refresh_token")) <= 1
    fleet.host("two")("revoke", partner, "--yes").expect()
    fleet.host("one")("token", partner, "--for", "graph").expect(4)


def test_a_check_up_goes_to_the_database_and_tells_of_one_that_is_away(
    fleet: Fleet, emulator: Emulator, postgres: Postgres
) -> None:
    (partner,) = fleet.consents(1)
    answer = fleet.host("one")("doctor", partner, "--json").expect().json
    assert {each["level"] for each in answer["findings"] if each["check"] == "store"} == {"pass"}, answer
    assert postgres.database() not in json.dumps(answer)
    away = {"PARTNERSAM_STORE": "postgres://partnersam@127.0.0.1:1/nothing"}
    answer = fleet.host("one").with_env(**away)("doctor", partner, "--json").expect(6).json
    assert {each["level"] for each in answer["findings"] if each["check"] == "store"} == {"fail"}, answer


def until(process: Process, text: str) -> None:
    limit = time.monotonic() + 60
    while text not in process.stdout + process.stderr:
        assert process.running, process.stderr
        assert time.monotonic() < limit, process.stderr
        time.sleep(0.02)


def test_renewers_on_two_hosts_tell_once_of_a_grant_that_ended_and_end_on_sigterm(
    fleet: Fleet, emulator: Emulator, tmp_path: Path
) -> None:
    ended, _living = fleet.consents(2)
    emulator.control(revoke={"tenant": ended})
    fleet.host("first")("renew", ended).expect(4)
    emulator.forget_requests()
    alerts = tmp_path / "alerts"
    watch = ("renew", "--watch", "--json", "--alert-command", f"cat >>{alerts}")
    with fleet.host("one").start(*watch) as one, fleet.host("two").start(*watch) as two:
        for renewer in (one, two):
            until(renewer, "everything that is due is done")
        limit = time.monotonic() + 60
        while not alerts.exists() or not alerts.read_text().endswith("\n"):
            assert time.monotonic() < limit
            time.sleep(0.02)
        for renewer in (one, two):
            renewer.signal(signal.SIGTERM)
            assert renewer.wait(30) == 0, renewer.stderr
    told = [json.loads(line) for line in (one.stdout + two.stdout).splitlines()]
    assert [(each["event"], each["alert"]["nearness"], each["alert"]["grant"]["partner"]) for each in told] == [
        ("alert", "ended", ended)
    ]
    assert [json.loads(line) for line in alerts.read_text().splitlines()] == told
    assert emulator.requests(grant_type="refresh_token") == []
