"""`make bench`: partnersam beside MSAL Python, azure-identity and a bare Rust client, in one run on one machine.

Builds what it needs, starts the token server on the last core, runs every cell as a fresh process on the other ones, contenders
of a measure in turn, and prints medians, ratios and targets. Exits with 1 when a cell failed to run, whatever the figures are.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
import table
from plan import FULL, QUICK, TARGETS, Cell, Measure, Size, measures

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.postgres import Postgres
from harness.process import NotReady

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PROGRAMS = REPOSITORY / "target" / "release"
ENVIRONMENT = REPOSITORY / ".venv-bench"
PYTHON = ENVIRONMENT / "bin" / "python"
#: What the cells that want a database find in the folder of the run.
DATABASE = "postgres.json"
RESULTS = HERE / "results" / "latest.json"
READY_SECONDS = 10
CELL_SECONDS = 900
#: Of access tokens: longer than a run, so that what was hot at its start is hot at its end.
LIFETIME_SECONDS = 8 * 3600


def main() -> int:
    """Measures, prints, writes; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="a few minutes: fewer rounds, fewer tenants (the default)")
    extent.add_argument("--full", action="store_true", help="every tenant, more rounds: about half an hour")
    parser.add_argument("--only", metavar="REGEX", default="", help="measures to run, by key or title")
    parser.add_argument("--contenders", metavar="REGEX", default="", help="contenders to run")
    options = parser.parse_args()
    size = FULL if options.full else QUICK
    chosen = [measure for measure in measures(size) if re.search(options.only, f"{measure.key} {measure.title}")]

    build(with_partnersam=re.search(options.contenders, "partnersam") is not None)
    with tempfile.TemporaryDirectory(prefix="partnersam-bench-") as folder:
        work = Path(folder)
        described = machine.describe(PYTHON, work, REPOSITORY)
        print_machine(described)
        run = Run(work, chosen, options.contenders, size)
        with run.database(), run.server():
            run.seed()
            run.measure()
    print("\n".join(table.lines(chosen, run.figures)))
    write_results(described, options.full, chosen, run)
    for failure in run.failures:
        print(f"\nfailed: {failure}", file=sys.stderr)
    return 1 if run.failures else 0


class Run:
    """One run: its server, its filled stores, its figures and failures."""

    def __init__(self, work: Path, chosen: list[Measure], contenders: str, size: Size) -> None:
        """Nothing is started yet."""
        self.figures: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.failures: list[str] = []
        self._work = work
        self._measures = chosen
        self._contenders = contenders
        self._size = size
        self._ready_file = work / "ready.json"

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        """Starts the token server on the last core and leaves the others to the cells; stops it at the end."""
        command = [
            str(PROGRAMS / "bench-server"),
            "--ready-file",
            str(self._ready_file),
            "--expires-in",
            str(LIFETIME_SECONDS),
        ]
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            command += ["--core", str(cores[-1])]
        server = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            if len(cores) > 1:
                os.sched_setaffinity(0, set(cores[:-1]))
            give_up = time.monotonic() + READY_SECONDS
            while not self._ready_file.exists():
                if server.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError("the token server did not start")
                time.sleep(0.01)
            yield
        finally:
            os.sched_setaffinity(0, set(cores))
            if server.stdin:
                server.stdin.close()
            server.wait(timeout=READY_SECONDS)

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """PostgreSQL with a database for each size of store, for the cells that want one; where there is none they say so."""
        grants = sorted(
            {
                cell.options["tenants"]
                for measure in self._measures
                for cell in measure.cells
                if cell.database and self._is_chosen(cell.contender)
            }
        )
        with contextlib.ExitStack() as stack:
            if grants:
                try:
                    server = stack.enter_context(Postgres(fsync=True))
                    told = {"databases": {str(count): server.database() for count in grants}}
                except NotReady as missing:
                    told = {"not_measured": f"no PostgreSQL ({missing})"}
                (self._work / DATABASE).write_text(json.dumps(told), encoding="utf-8")
            yield

    def seed(self) -> None:
        """Fills the stores that the chosen cells start from."""
        for contender in ("msal", "partnersam"):
            cells = [cell for measure in self._measures for cell in measure.cells if self._is_chosen(cell.contender)]
            sizes = {cell.options.get("tenants", 1) for cell in cells if cell.contender.startswith(contender)}
            # Several cells compare with a store of one.
            for tenants in sorted(sizes | {1}) if sizes else []:
                self._once("filled store", Cell(contender, "cells.seed", {"tenants": tenants}))

    def measure(self) -> None:
        """All rounds of all measures: within a measure the contenders take turns."""
        for measure in self._measures:
            cells = [
                cell for cell in measure.cells if cell.contender == measure.over or self._is_chosen(cell.contender)
            ]
            broken: set[str] = set()
            for number in range(self._size.slow_rounds if measure.slow else self._size.rounds):
                for cell in cells:
                    if cell.contender in broken:
                        continue
                    show_progress(f"{measure.key}, round {number + 1}: {cell.contender}")
                    result = self._once(measure.title, cell)
                    if result is None:
                        broken.add(cell.contender)
                    else:
                        self.figures.setdefault(measure.key, {}).setdefault(cell.contender, []).append(result)
        show_progress("")

    def _is_chosen(self, contender: str) -> bool:
        return re.search(self._contenders, contender) is not None

    def _once(self, title: str, cell: Cell) -> dict[str, Any] | None:
        """Runs a cell as a fresh process; its figures, or None and a failure."""
        try:
            done = subprocess.run(
                self._command(cell),
                cwd=HERE,
                env=clean_environment(),
                capture_output=True,
                text=True,
                timeout=CELL_SECONDS,
            )
        except subprocess.TimeoutExpired:
            self.failures.append(f"{title}: {cell.contender}: no result after {CELL_SECONDS} seconds")
            return None
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["nothing on standard error"]
            self.failures.append(f"{title}: {cell.contender}: {said[-1]}")
            return None
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def _command(self, cell: Cell) -> list[str]:
        if cell.program == "bench-bare":
            command = [str(PROGRAMS / "bench-bare"), "--ready-file", str(self._ready_file)]
            options = {name: value for name, value in cell.options.items() if name != "http1"}
            command += ["--protocol", "http1" if "http1" in cell.options else "auto"]
        else:
            command = [str(PYTHON), "-m", cell.program, "--contender", cell.called or cell.contender]
            command += ["--ready-file", str(self._ready_file), "--work", str(self._work)]
            options = cell.options
        return command + [part for name, value in options.items() for part in (f"--{name}", str(value))]


def build(*, with_partnersam: bool) -> None:
    """The programs, the environment of the incumbents, and partnersam's command and wheel."""
    cargo_build("partnersam-bench", check=True)
    wanted = HERE / "requirements.txt"
    stamp = ENVIRONMENT / "requirements.sha256"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii") != digest:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        pip("install", "--requirement", str(wanted))
        stamp.write_text(digest, encoding="ascii")
    if with_partnersam:
        # What does not build fails its own cells; the others are still worth measuring. An older command must not stand in.
        (PROGRAMS / "partnersam").unlink(missing_ok=True)
        cargo_build("partnersam-cli", check=False)
        install_wheel()


def cargo_build(package: str, *, check: bool) -> None:
    """Builds one package as it is released."""
    subprocess.run(["cargo", "build", "-q", "--release", "-p", package], cwd=REPOSITORY, check=check)


def install_wheel() -> None:
    """Builds and installs the wheel; without one the cells of partnersam fail and say so."""
    wheels = REPOSITORY / "target" / "bench-wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    command = [
        str(ENVIRONMENT / "bin" / "maturin"),
        "build",
        "--quiet",
        "--release",
        "--out",
        str(wheels),
        "--interpreter",
        str(PYTHON),
    ]
    built = subprocess.run(command, cwd=REPOSITORY / "python", check=False)
    found = sorted(wheels.glob("*.whl"))
    if built.returncode or not found:
        print("the wheel of partnersam was not built: its cells will fail", file=sys.stderr)
        pip("uninstall", "--yes", "partnersam")
        return
    pip("install", "--no-deps", "--force-reinstall", str(found[0]))


def pip(*arguments: str) -> None:
    """pip of the environment, quiet."""
    subprocess.run([str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def clean_environment() -> dict[str, str]:
    """What a cell inherits: no proxy, no certificate bundle and no configuration of the machine's."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def show_progress(text: str) -> None:
    """Writes over the line before, for people only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_machine(described: dict[str, Any]) -> None:
    """The head of the table."""
    memory = described["memory_bytes"] / 2**30
    print(f"{described['processor']}, {described['cores']} cores, {memory:.0f} GiB, {described['system']}")
    print(
        f"stores on {described['store_file_system']}, {described['python']}, {described['openssl']}, {described['rustc']}"
    )
    compared = ("msal", "msal-extensions", "azure-identity", "azure-core", "requests", "partnersam")
    print(", ".join(f"{name} {described['packages'][name]}" for name in compared if name in described["packages"]))
    print(", ".join(f"{name} {version}" for name, version in described["crates"].items()), flush=True)


def write_results(described: dict[str, Any], full: bool, chosen: list[Measure], run: Run) -> None:
    """Everything that was measured, as JSON."""
    by_key = {measure.key: measure for measure in chosen}
    verdicts = []
    for target in TARGETS:
        if target.measure in by_key:
            value, met = table.judge(target, by_key, run.figures)
            verdicts.append({"measure": target.measure, "target": target.text, "value": value, "met": met})
    document = {
        "schema_version": 1,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "extent": "full" if full else "quick",
        "machine": described,
        "measures": [
            {
                "key": measure.key,
                "title": measure.title,
                "unit": measure.unit,
                "over": measure.over,
                "contenders": {
                    cell.contender: {
                        "median": table.middle(run.figures, measure, cell.contender),
                        "rounds": run.figures.get(measure.key, {}).get(cell.contender, []),
                    }
                    for cell in measure.cells
                },
            }
            for measure in chosen
        ],
        "targets": verdicts,
        "failures": run.failures,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
