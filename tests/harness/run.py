"""`make test`, `make lint` and `make soak`: runs the stages of one table, goes on after a failing one, ends in one verdict.

The last line is `N passed, N failed, N skipped`, summed over every runner. Whatever went wrong is told again just above it.
Standard library only: the first stage makes the environment that the others run in.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

# `python3 tests/harness/run.py` puts this folder first on the path; the package is one above.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from harness import counts, stage  # noqa: E402
from harness.counts import Counts  # noqa: E402
from harness.places import ROOT, TARGET  # noqa: E402
from harness.stage import Outcome, Stage  # noqa: E402

PYTHON = ".venv-test/bin/python"
PYTEST = f"{PYTHON} -m pytest -c tests/pyproject.toml"
BESIDE_A_KEYRING = f"{PYTHON} -m harness.keyring"
NEXTEST = (
    "cargo nextest run --workspace --no-fail-fast --show-progress none --status-level slow --final-status-level skip"
)
CARGO_TEST = "cargo test --workspace --no-fail-fast --lib --bins --tests"
HAS_NEXTEST = shutil.which("cargo-nextest") is not None
WHEELS = "target/test-wheels"

SETUP = Stage(
    "setup",
    "Debian packages, Python environment, Node peer",
    (f"{shlex.quote(sys.executable)} tests/setup/install.py",),
    gate=True,
)
BUILD = Stage(
    "build",
    "every crate, the command, the emulator",
    # The very units that the Rust tests link: nothing is compiled twice.
    ("cargo build --workspace --all-targets",),
    minutes=40,
)
RUST = Stage(
    "rust",
    "unit and integration tests of every crate, beside a keyring of their own",
    (f"{BESIDE_A_KEYRING} {NEXTEST if HAS_NEXTEST else CARGO_TEST}",),
    counts.nextest if HAS_NEXTEST else counts.cargo_test,
    env={"PYTHONPATH": "tests"},
    minutes=30,
)

TEST = (
    SETUP,
    BUILD,
    RUST,
    Stage(
        "rust-doc",
        "examples in the documentation",
        ("cargo test --workspace --doc --no-fail-fast",),
        counts.cargo_test,
        may_be_empty=True,
    ),
    Stage(
        "wheel",
        "the Python package, built and installed as a user gets it",
        (
            f".venv-test/bin/maturin build --profile dev -m python/Cargo.toml -o {WHEELS}",
            f"{PYTHON} -m pip install -q --no-deps --no-index --force-reinstall -f {WHEELS} partnersam",
        ),
        needs=("python/pyproject.toml",),
        minutes=20,
    ),
    Stage("harness", "the tests' own tools", (f"{PYTEST} tests/harness",), counts.pytest),
    Stage("peers", "clients and a server that nobody here wrote", (f"{PYTEST} tests/peers",), counts.pytest),
    Stage("cli", "the command line", (f"{PYTEST} tests/cli",), counts.pytest, needs=("tests/cli",)),
    Stage(
        "docs",
        "the documents against the tree, the code and the emulator",
        (f"{PYTEST} tests/docs",),
        counts.pytest,
        needs=("tests/docs",),
    ),
    Stage("python", "the Python package", (f"{PYTEST} tests/python",), counts.pytest, needs=("tests/python",)),
    Stage(
        "types",
        "the package's stubs against the module, and its types by mypy",
        (
            f"{PYTHON} -m mypy.stubtest partnersam --ignore-missing-stub",
            f"{PYTHON} -m mypy --strict -p partnersam",
        ),
        is_check=True,
        needs=("python/partnersam/py.typed",),
    ),
    Stage(
        "processes",
        "many processes at one grant, and processes that are killed",
        (f"{PYTEST} tests/processes",),
        counts.pytest,
        needs=("tests/processes",),
        minutes=20,
    ),
    Stage(
        "destruction",
        "killed at each system call, faults at each change of a file, power cuts, clocks, cut cables",
        (f"{PYTEST} tests/destruction",),
        counts.pytest,
        needs=("tests/destruction",),
    ),
    Stage(
        "c",
        "the C library under AddressSanitizer and valgrind",
        ("bash tests/c/run.sh",),
        counts.closing_line,
        needs=("tests/c/run.sh",),
        minutes=30,
    ),
    Stage(
        "canary",
        "no secret in anything that was printed",
        (f"{PYTHON} -m harness.canary",),
        counts.closing_line,
        env={"PYTHONPATH": "tests"},
    ),
)

LINT = (
    SETUP,
    Stage("rustfmt", "formatting of Rust", ("cargo fmt --all --check",), is_check=True),
    Stage(
        "clippy",
        "clippy without a warning",
        ("cargo clippy -q --workspace --all-targets -- -D warnings",),
        is_check=True,
        minutes=30,
    ),
    Stage(
        "ruff",
        "Python: lints and formatting",
        (f"{PYTHON} -m ruff check -q", f"{PYTHON} -m ruff format -q --check"),
        is_check=True,
    ),
    Stage(
        "mypy",
        "types of the tests' own tools",
        (f"../{PYTHON} -m mypy",),
        is_check=True,
        cwd=ROOT / "tests",
    ),
    Stage(
        "generated",
        "generated files are what the sources make",
        ("cargo run -q -p xtask -- gen --check",),
        needs=("include/partnersam.h",),
        is_check=True,
    ),
)


def soak(rounds: int) -> tuple[Stage, ...]:
    return (
        SETUP,
        BUILD,
        Stage(
            "soak",
            f"{rounds} rounds",
            (f"{PYTEST} tests/processes -m soak --rounds {rounds} --timeout 0",),
            counts.pytest,
            needs=("tests/processes",),
            minutes=24 * 60,
        ),
        Stage(
            "destruction",
            f"each kind of destruction {rounds} times, or as often as there are system calls to strike at",
            (f"{PYTEST} tests/destruction -s -m soak --rounds {rounds} --timeout 0",),
            counts.pytest,
            needs=("tests/destruction",),
            minutes=7 * 24 * 60,
        ),
        Stage(
            "fuzz",
            "bad input of every kind, from more seeds",
            ("cargo test -p partnersam --test fuzz",),
            counts.cargo_test,
            # A round of them takes as long as ten of the others.
            env={"FUZZ_ROUNDS": str(max(1, rounds // 10))},
            minutes=24 * 60,
        ),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["test", "lint", "soak"])
    parser.add_argument("--rounds", type=int, default=5000, help="how often a soak repeats each test")
    parser.add_argument("--only", action="append", metavar="STAGE", help="run this stage alone (and again for more)")
    arguments = parser.parse_args()
    stages = {"test": TEST, "lint": LINT, "soak": soak(arguments.rounds)}[arguments.what]
    if unknown := set(arguments.only or ()) - {each.name for each in stages}:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    chosen = [each for each in stages if not arguments.only or each.name in arguments.only]
    return play(chosen, arguments.what)


def play(stages: list[Stage], what: str) -> int:
    logs = TARGET / "test-logs" / what
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    os.environ["PARTNERSAM_TEST_LOGS"] = str(logs)
    os.environ["PYTHONUNBUFFERED"] = "1"
    stage.adopt_orphans()
    started = time.monotonic()
    outcomes: list[Outcome] = []
    for each in stages:
        print(f"\n=== {each.name}: {each.about}", flush=True)
        outcome = stage.run(each, logs / f"{each.name}.log")
        outcomes.append(outcome)
        print(f"--- {each.name}: {'ok' if outcome.good else 'FAILED'} in {outcome.seconds:.1f} s", flush=True)
        if each.gate and not outcome.good:
            break
    return verdict(outcomes, time.monotonic() - started)


def verdict(outcomes: list[Outcome], seconds: float) -> int:
    total = Counts()
    print(f"\n=== result ({seconds / 60:.1f} min)")
    for outcome in outcomes:
        found = outcome.counts
        total.add(found)
        # A stage that could not run its tests is a failure that no runner counted.
        total.failed += len(outcome.complaints)
        told = f"{found.passed:>5} passed {found.failed:>3} failed {len(found.skipped):>3} skipped"
        print(f"{outcome.stage.name:<10} {told} {outcome.seconds:>7.1f} s  {'ok' if outcome.good else 'FAILED'}")
    for outcome in outcomes:
        for name in outcome.counts.skipped:
            print(f"skipped in {outcome.stage.name}: {name}")
    for outcome in outcomes:
        for complaint in outcome.complaints:
            print(f"failed in {outcome.stage.name}: {complaint}")
    print(f"{total.passed} passed, {total.failed} failed, {len(total.skipped)} skipped", flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
