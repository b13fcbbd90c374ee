"""The audit record under real processes: killed while they append, many at once, with no room left, and put back to an older copy."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import Answer, Cli
from harness.places import TESTS, VENV
from harness.process import START, NotReady, Process
from processes.place import Place

USE_TOKENS = TESTS / "processes" / "use_tokens.py"
NO_LOCK = """
/* A lock that everybody gets at once. */
int flock(int file, int operation) { (void)file; (void)operation; return 0; }
"""


class Record:
    """The audit record of a place, where each use of a token is a line."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.folder = Path(f"{place.store}.audit")
        self.file = self.folder / "record.jsonl"
        configure(place, "audit_memory_hits = true")

    def verify(self, *more: str) -> Answer:
        return self.place.cli("audit", "verify", "--json", *more)

    def whole(self) -> dict[str, Any]:
        """The report of a record that nobody changed."""
        report: dict[str, Any] = self.verify().expect().json
        assert (report["whole"], report["faults"]) == (True, []), report
        return report

    def lines(self, operation: str = "token") -> list[dict[str, Any]]:
        shown = self.place.cli("audit", "show", "--json", "--operation", operation).expect().stdout
        return [json.loads(line) for line in shown.splitlines()]

    @contextlib.contextmanager
    def users(self, number: int, uses: int | None = None, env: dict[str, str] | None = None) -> Iterator[list[Process]]:
        """So many processes that use a token, let go at once."""
        go = self.place.home / f"go-{time.monotonic_ns()}"
        ready = [Path(f"{go}-ready-{each}") for each in range(number)]
        python = Cli(self.place.home, {**self.place.env, **(env or {})}, (VENV / "bin" / "python", USE_TOKENS))
        asked = [] if uses is None else ["--uses", str(uses)]
        with contextlib.ExitStack() as stack:
            started = [
                stack.enter_context(python.start(self.place.partner, "--ready", each, "--go", go, *asked))
                for each in ready
            ]
            until = time.monotonic() + START
            while not all(each.exists() for each in ready):
                if time.monotonic() > until or not all(process.running for process in started):
                    raise NotReady(f"a user of tokens did not come: {started[0].last_words()}")
                time.sleep(0.01)
            go.touch()
            yield started


def configure(place: Place, line: str) -> None:
    """Adds a line to the configuration."""
    file = place.home / ".config" / "partnersam" / "config.toml"
    file.write_text(f"{line}\n{file.read_text()}")


@pytest.fixture
def record(place: Place) -> Record:
    place.token().expect()
    return Record(place)


@pytest.mark.soak(15)
def test_a_kill_while_a_line_is_written_leaves_a_record_that_goes_on(record: Record, rounds: int) -> None:
    chance = random.SystemRandom()
    known = record.whole()["lines"]
    for number in range(1, rounds + 1):
        with record.users(1) as [process]:
            begun = record.file.stat().st_size
            while process.running and record.file.stat().st_size == begun:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.05))
            assert process.running, process.last_words()
            process.kill()
        # At most what was being written when the kill came: one line that is not whole, or whose head is not written.
        killed = record.whole()
        assert killed["lines"] > known
        record.place.token().expect()
        after = record.whole()
        assert after["lines"] > killed["lines"], "the record goes on"
        torn = [note for note in after["notes"] if note["what"] == "torn"]
        assert len(torn) <= number, after["notes"]
        assert len(after["notes"]) - len(torn) <= 1, after["notes"]
        known = after["lines"]

    # Control: one changed byte in the middle of all that is found.
    content = bytearray(record.file.read_bytes())
    content[len(content) // 2] ^= 1
    record.file.write_bytes(content)
    assert record.verify().expect(1).json["faults"]


PROCESSES, USES = 4, 1_500


def used_at_once(record: Record, env: dict[str, str] | None = None) -> None:
    with record.users(PROCESSES, USES, env) as started:
        codes = [process.wait() for process in started]
    assert codes == [0] * PROCESSES, started[0].last_words()


def test_processes_that_append_at_once_make_one_chain(record: Record) -> None:
    before = record.whole()["lines"]
    used_at_once(record)
    report = record.whole()
    # Each took the token out of the store once.
    assert report["lines"] - before == PROCESSES * (USES + 1)
    assert report["notes"] == []
    writers = [line["pid"] for line in record.lines() if line.get("source") == "memory"]
    assert {writers.count(each) for each in writers} == {USES}
    changes = sum(1 for one, next_one in itertools.pairwise(writers) if one != next_one)
    assert changes >= PROCESSES, "else they came one after the other, and nothing was shown"


def test_without_the_lock_they_would_break_the_chain(record: Record, tmp_path: Path) -> None:
    """Control: the processes do write at the same moment."""
    (tmp_path / "no_lock.c").write_text(NO_LOCK)
    library = tmp_path / "no_lock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "no_lock.c"], check=True)
    used_at_once(record, {"LD_PRELOAD": str(library)})
    assert record.verify().expect(1).json["faults"]


class NoRoom:
    """Processes whose files may not grow beyond where the record is now, and half a line."""

    def __init__(self, record: Record) -> None:
        # Everything else that they write is smaller by far.
        while record.file.stat().st_size < 6 << 20:
            with record.users(1, 8_000) as [process]:
                assert process.wait() == 0, process.last_words()
        self.record = record
        self.size = record.file.stat().st_size
        # The signal is not for them: the write itself then fails (EFBIG), as it does on a full disk.
        ignoring = ("/bin/sh", "-c", 'trap "" XFSZ; exec "$@"', "sh")
        limited = ("/usr/bin/prlimit", f"--fsize={self.size + 100}", "--")
        self.cli = Cli(record.place.home, record.place.cli.env, (*ignoring, *limited, *record.place.cli.program))

    def has_written_nothing(self) -> bool:
        return self.record.file.stat().st_size == self.size and self.record.whole()["notes"] == []


@pytest.fixture
def no_room(record: Record) -> NoRoom:
    return NoRoom(record)


def test_no_room_for_a_line_stops_what_must_be_recorded_and_a_token_by_the_policy(no_room: NoRoom) -> None:
    place = no_room.record.place
    place.emulator.forget_requests()
    answer = no_room.cli(*place.ask("cli", "--fresh")).expect()
    assert answer.stdout.count(".") == 2
    assert "a line of the audit record could not be written" in answer.stderr
    assert [each["status"] for each in place.redemptions()] == [200]

    grant = place.grant()
    refresh_token = place.emulator.seed_grants(place.upn)[0]["refresh_token"]
    for stopped, stdin in (
        (["revoke", place.partner, "--yes", "--json"], None),
        (["import", place.partner, "--for", "graph", "--json"], refresh_token),
        (["consent", place.partner, "--for", "graph", "--link", "--json"], None),
    ):
        refused = no_room.cli(*stopped, stdin=stdin).expect(6)
        assert "AuditUnwritable" in refused.stdout + refused.stderr, (stopped, refused)
    assert place.grant() == grant
    assert no_room.has_written_nothing()

    configure(place, 'audit_when_unwritable = "stop"')
    refused = no_room.cli(*place.ask("cli", "--fresh", "--json")).expect(6)
    assert "AuditUnwritable" in refused.stdout
    assert "access_token" not in refused.stdout
    assert no_room.has_written_nothing()

    # Control: with room all of it goes.
    place.token("--fresh").expect()
    place.cli("revoke", place.partner, "--yes").expect()
    assert no_room.record.whole()["lines"] > 0
    assert [line["outcome"] for line in no_room.record.lines("revoke")] == ["begun", "ok"]


def test_an_older_copy_in_the_record_s_place_is_found_by_an_anchor(record: Record, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(record.folder, older)
    record.place.token("--fresh").expect()
    anchor = record.place.cli("audit", "anchor").expect().stdout.strip()
    record.place.token("--fresh").expect()
    record.verify("--anchor", anchor).expect()

    # Lines cut off the end alone are missed by the head.
    content = record.file.read_bytes()
    lines = content.splitlines(keepends=True)
    os.truncate(record.file, len(content) - len(lines[-1]) - len(lines[-2]))
    assert [fault["what"] for fault in record.verify().expect(1).json["faults"]] == ["cut"]

    # Control: with its head, an older copy of all of it is whole, as far as it can tell.
    shutil.rmtree(record.folder)
    shutil.copytree(older, record.folder)
    record.whole()
    assert [fault["what"] for fault in record.verify("--anchor", anchor).expect(1).json["faults"]] == ["cut"]
