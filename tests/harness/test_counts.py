"""A count that is read wrongly is a failure that nobody sees."""

from __future__ import annotations

import pytest

from harness import counts
from harness.counts import Counts

NEXTEST = """
        SLOW [> 60.000s] partnersam store::slow
        FAIL [   0.004s] (2/5) partnersam error::bad
────────────
     Summary [   1.234s] 5 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 2 skipped
        SKIP [         ] (4/7) partnersam store::on_windows
        SKIP [         ] partnersam-cli prompt::by_hand
error: test run failed
"""
CARGO = """
running 3 tests
test a ... ok
test b ... ignored, needs a person
test c ... FAILED
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests partnersam
test src/lib.rs - (line 3) ... ok
test src/app.rs - App (line 9) ... ignored
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s
"""
PYTEST = """
cli/test_token.py ..F.E
SKIPPED [2] cli/test_keyring.py:9: needs gnome-keyring
FAILED cli/test_token.py::test_it - AssertionError: 3 passed in 9s
\x1b[31m===== \x1b[31m\x1b[1m1 failed\x1b[0m, \x1b[32m3 passed\x1b[0m, 2 skipped, 1 error in 0.12s\x1b[0m\x1b[31m =====\x1b[0m
"""
CLOSING = """
SKIP valgrind: not installed
c: 4 passed, 0 failed
total: 9 passed, 1 failed, 1 skipped
"""


@pytest.mark.parametrize(
    ("reader", "text", "expected"),
    [
        (
            counts.nextest,
            NEXTEST,
            Counts(
                3,
                2,
                [
                    "partnersam store::on_windows: ignored in its source",
                    "partnersam-cli prompt::by_hand: ignored in its source",
                ],
            ),
        ),
        (
            counts.cargo_test,
            CARGO,
            Counts(2, 1, ["b: needs a person", "src/app.rs - App (line 9): ignored in its source"]),
        ),
        (counts.pytest, PYTEST, Counts(3, 2, ["cli/test_keyring.py:9: needs gnome-keyring"] * 2)),
        (counts.closing_line, CLOSING, Counts(9, 1, ["valgrind: not installed"])),
    ],
)
def test_each_runner_is_read(reader: counts.Reader, text: str, expected: Counts) -> None:
    assert reader(text.splitlines(keepends=True)) == expected


@pytest.mark.parametrize("reader", [counts.nextest, counts.cargo_test, counts.pytest, counts.closing_line])
def test_a_runner_that_died_has_run_nothing(reader: counts.Reader) -> None:
    assert reader(["error: could not compile `partnersam`\n"]).ran == 0
