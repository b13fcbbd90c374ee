"""What a run must not let pass: a stage without its files, one that ran nothing, one that hangs or leaves programs behind."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from harness import counts
from harness.places import TESTS

RUN_ONE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from harness import counts, run, stage
stage.adopt_orphans()
stage.GRACE = 0.5
outcome = stage.run(stage.Stage("one", "one", {commands!r}, {count}, **{more!r}), Path({log!r}))
sys.exit(run.verdict([outcome], outcome.seconds))
"""


def played(folder: Path, *commands: str, count: str = "counts.closing_line", **more: object) -> tuple[int, str]:
    """Exit code and output of a run of one stage, in a process of its own: it adopts every orphan that it meets."""
    script = RUN_ONE.format(tests=str(TESTS), commands=commands, count=count, more=more, log=str(folder / "log"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def verdict(output: str) -> tuple[int, int]:
    found = counts.closing_line(output.splitlines())
    return found.passed, found.failed


def test_a_good_stage_is_good(tmp_path: Path) -> None:
    code, output = played(tmp_path, "echo 2 passed, 0 failed")
    assert (code, verdict(output)) == (0, (2, 0))
    assert output.splitlines()[-1] == "2 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("true", "ran no test"),
        ("sh -c 'echo 2 passed, 0 failed; exit 3'", "ended with 3"),
        ("echo 2 passed, 1 failed", "counted 1 failures, but"),
        ("no-such-program", "ended with 127"),
    ],
)
def test_a_runner_that_says_one_thing_and_does_another_fails(tmp_path: Path, command: str, complaint: str) -> None:
    code, output = played(tmp_path, command)
    assert code == 1
    assert complaint in output
    assert verdict(output)[1] > 0


def test_a_stage_without_its_files_fails(tmp_path: Path) -> None:
    code, output = played(tmp_path, "echo 2 passed, 0 failed", needs=("tests/no-such-folder",))
    assert code == 1
    assert "not there: tests/no-such-folder" in output


def test_a_stage_goes_on_after_a_failing_command(tmp_path: Path) -> None:
    code, output = played(tmp_path, "false", "echo second", count="None", is_check=True)
    assert (code, verdict(output)) == (1, (1, 1))
    assert "second" in output


def test_a_stage_that_hangs_is_ended(tmp_path: Path) -> None:
    code, output = played(tmp_path, "sleep 600", minutes=0.005)
    assert code == 1
    assert "stopped after 0.005 minutes" in output


def test_a_program_left_running_is_named_and_ended(tmp_path: Path) -> None:
    up = tmp_path / "up"
    leave = (
        f"setsid sh -c 'echo > {up}; exec sleep 601' & until [ -s {up} ]; do sleep 0.01; done; echo 1 passed, 0 failed"
    )
    code, output = played(tmp_path, f"sh -c {shlex.quote(leave)}")
    assert code == 1
    assert "left running: sleep 601" in output
    assert "sleep 601" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
