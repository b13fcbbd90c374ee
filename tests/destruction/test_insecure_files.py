"""Files of the store, its key, its journal and its record that somebody made readable, linked, or took over.

Refused before anything is sent, with the file named; put right, everything goes on. A line of the audit record that cannot be written stops what must
not happen unrecorded (a consent) and not a token. A folder above the store may be a link.
"""

from __future__ import annotations

import collections
import itertools
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from destruction.at_call import spread
from destruction.verbs import (
    FIRST_IMPORT,
    IMPORT,
    REFRESH,
    RENEW,
    REVOKE,
    VERBS,
    Verb,
    next_token,
    token_in_the_journal,
)
from destruction.without import without
from harness.cli import Answer
from processes.place import Place

SOMEBODY = 12345


@dataclass(frozen=True)
class Fault:
    name: str
    make: Callable[[Path], None]
    mend: Callable[[Path], None]


def beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.elsewhere")


def replace_by_link(file: Path) -> None:
    shutil.move(file, beside(file))
    file.symlink_to(beside(file))


def put_back(file: Path) -> None:
    file.unlink()
    shutil.move(beside(file), file)


FAULTS = (
    Fault("link", replace_by_link, put_back),
    Fault("second-name", lambda file: os.link(file, beside(file)), lambda file: beside(file).unlink()),
    Fault("world-readable", lambda file: file.chmod(0o604), lambda file: file.chmod(0o600)),
    Fault("group-readable", lambda file: file.chmod(0o640), lambda file: file.chmod(0o600)),
    Fault("foreign", lambda file: os.chown(file, SOMEBODY, -1), lambda file: os.chown(file, os.geteuid(), -1)),
)


def faults() -> tuple[Fault, ...]:
    """Only root can give a file away."""
    return FAULTS if os.geteuid() == 0 else FAULTS[:-1]


def section(answer: Answer) -> str | None:
    found = re.search(r"^see: \S+#([a-z-]+)$", answer.stderr, re.MULTILINE)
    return found[1] if found else None


def file_of(place: Place, name: str) -> Path:
    return {
        "store": place.store,
        "leases": Path(f"{place.store}.leases"),
        "key": place.home / "store-key",
        **{f"record's {each}": Path(f"{place.store}.audit") / each for each in RECORD},
    }[name]


@pytest.mark.parametrize("name", ["store", "leases", "key"])
def test_an_insecure_file_is_refused_before_anything_is_sent(place: Place, name: str) -> None:
    place.token().expect()
    place.emulator.forget_requests()
    file = file_of(place, name)
    for fault in faults():
        fault.make(file)
        answer = place.token("--fresh").expect(6)
        assert section(answer) == "store-insecure", f"{fault.name}: {answer.stderr}"
        assert str(file) in answer.stderr, fault.name
        assert "hint: make it a plain file owned by this account with mode 0600" in answer.stderr
        fault.mend(file)
    assert place.redemptions() == []
    place.token("--fresh").expect()


@pytest.mark.parametrize("name", ["record.jsonl", "head", "key", "lock"])
def test_an_insecure_file_of_the_record_stops_a_consent_and_no_token(place: Place, name: str) -> None:
    file = Path(f"{place.store}.audit") / name
    for fault in faults():
        fault.make(file)
        answer = place.consent("graph").expect(6)
        assert section(answer) == "audit-unwritable", f"{fault.name}: {answer.stderr}"
        told = place.token("--fresh").expect()
        assert "a line of the audit record could not be written" in told.stderr, fault.name
        fault.mend(file)
    place.consent("graph").expect()


@pytest.mark.usefixtures("traced")
def test_an_insecure_file_of_the_journal_is_not_applied_and_not_lost(place: Place) -> None:
    place.emulator.control(strict_refresh=True)
    for fault in faults():
        token_in_the_journal(place)
        (file,) = place.journal.iterdir()
        fault.make(file)
        # The token in the store was used up, and the one in the journal cannot be trusted.
        place.token("--fresh").expect(4)
        assert "the recovery journal could not be applied yet" in place.cli("status").stderr, fault.name
        fault.mend(file)
        # Now it can, although the grant was taken for dead meanwhile.
        place.token("--fresh").expect()
        assert not place.journal.exists(), fault.name


@pytest.mark.parametrize("how", ["writable", "foreign"])
def test_a_folder_that_others_can_write_into_is_refused(place: Place, how: str) -> None:
    folder = place.store.parent
    if how == "writable":
        folder.chmod(0o777)
    elif os.geteuid() == 0:
        os.chown(folder, SOMEBODY, -1)
    else:
        pytest.skip("only root can give a folder away")
    assert section(place.token("--fresh").expect(6)) == "store-insecure"
    os.chown(folder, os.geteuid(), -1)
    folder.chmod(0o700)
    place.token("--fresh").expect()


def test_a_link_above_the_store_is_followed(place: Place) -> None:
    folder = place.store.parent
    shutil.move(folder, place.home / "elsewhere")
    folder.symlink_to(place.home / "elsewhere")
    place.token("--fresh").expect()
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()} == {0o600}


def test_a_link_where_the_store_keeps_its_log_is_refused(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("somebody else's file")
    elsewhere.chmod(0o600)
    for name in ("grants.db-wal", "grants.db-shm", "grants.db-journal"):
        companion = place.store.with_name(name)
        companion.unlink(missing_ok=True)
        companion.symlink_to(elsewhere)
        answer = place.token("--fresh").expect(6)
        assert section(answer) == "store-insecure", f"{name}: {answer.stderr}"
        assert elsewhere.read_text() == "somebody else's file"
        companion.unlink()
    place.token("--fresh").expect()


@pytest.mark.usefixtures("traced")
def test_without_the_look_at_files_every_insecure_one_is_used(place: Place) -> None:
    """Control."""
    place.emulator.control(strict_refresh=True)
    place.token().expect()
    careless = without("any_file", place.cli)
    for fault in faults():
        for name in ("store", "leases", "key"):
            place.emulator.forget_requests()
            fault.make(file_of(place, name))
            careless(*place.ask("cli", "--fresh")).expect()
            assert place.redemptions(), f"{fault.name}: {name}"
            fault.mend(file_of(place, name))
        record = Path(f"{place.store}.audit") / "record.jsonl"
        lines = record.read_text().count("\n")
        fault.make(record)
        careless(*place.ask("cli", "--fresh")).expect()
        fault.mend(record)
        assert record.read_text().count("\n") > lines, fault.name
        token_in_the_journal(place)
        (kept,) = place.journal.iterdir()
        fault.make(kept)
        # It is applied, and so the token that was used up is not sent again.
        careless(*place.ask("cli", "--fresh")).expect()
        shutil.rmtree(place.journal, ignore_errors=True)
    place.store.parent.chmod(0o777)
    careless(*place.ask("cli", "--fresh")).expect()


RECORD = ("record.jsonl", "head", "key", "lock")
FILES = ("store", "leases", "key", *(f"record's {name}" for name in RECORD))


def expected(verb: Verb, name: str) -> str:
    """The section that refuses, `told` where it goes on and says so, `done` where the verb has no use for the file."""
    is_record = name.startswith("record's")
    if (verb is REVOKE and name != "leases") or (verb is IMPORT and is_record):
        # The first that these do is to write that they begin.
        return "audit-unwritable"
    if is_record:
        return "told" if verb in (REFRESH, RENEW) else "done"
    return "store-insecure" if name != "leases" or verb in (REFRESH, RENEW) else "done"


@pytest.mark.soak(6)
@pytest.mark.usefixtures("traced")
def test_whatever_is_asked_for_an_insecure_file_stops_it_or_is_told_of(place: Place, rounds: int, offset: int) -> None:
    every = list(itertools.product((verb for verb in VERBS if verb is not FIRST_IMPORT), FILES, faults()))
    points = [every[number - 1] for number in spread(len(every), min(rounds, len(every)), offset)]
    outcomes: collections.Counter[str] = collections.Counter()
    # Not every verb makes every file.
    next_token(place).expect()
    for verb, name, fault in points:
        verb.prepare(place)
        stdin, file = verb.stdin(place), file_of(place, name)
        fault.make(file)
        place.emulator.forget_requests()
        answer = place.cli(*verb.arguments(place), stdin=stdin)
        was_told = "a line of the audit record could not be written" in answer.stderr
        found = section(answer) if answer.code else "told" if was_told else "done"
        assert found == expected(verb, name), f"{verb.name}, {name}, {fault.name}: {answer}"
        outcomes[found or ""] += 1
        fault.mend(file)
        if answer.code:
            assert place.redemptions() == []
            place.cli(*verb.arguments(place), stdin=stdin).expect()
        if verb.finish is not None:
            verb.finish(place)
        next_token(place).expect()
    print(f"{len(points)} of {len(every)} verbs, files and faults, {dict(outcomes)}")
