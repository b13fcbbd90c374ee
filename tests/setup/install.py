"""Installs what the tests need: Debian packages, a Python environment, the packages of the Node peer.

Each step says in one line what it did, does nothing when everything is there, and needs root only to install a Debian package.
What could not be installed is written to target/test-setup/missing.json: the tests that need it are skipped by name, or fail
where CI is set. Standard library only: this runs before there is an environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
VENV = ROOT / ".venv-test"
NODE_PEER = ROOT / "tests" / "peers" / "oidc-provider"
MISSING = ROOT / "target" / "test-setup" / "missing.json"
OLDEST_PYTHON = (3, 10)


class CannotInstall(Exception):
    """One thing that is not there and could not be put there, with what a person can do about it."""

    def __init__(self, names: list[str], why: str) -> None:
        super().__init__(f"{', '.join(names)}: {why}")
        self.names = names
        self.why = why


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        print(f"setup: python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer is needed: {sys.version.split()[0]}")
        return 1
    missing: dict[str, str] = {}
    steps: list[tuple[str, Callable[[], str]]] = [("debian", debian), ("python", python), ("node", node)]
    for name, step in steps:
        started = time.monotonic()
        try:
            done = step()
        except CannotInstall as error:
            missing.update(dict.fromkeys(error.names, error.why))
            print(f"setup: {name:<7} cannot install {error}", flush=True)
        else:
            print(f"setup: {name:<7} {done} ({time.monotonic() - started:.1f} s)", flush=True)
    MISSING.parent.mkdir(parents=True, exist_ok=True)
    MISSING.write_text(json.dumps(missing, indent=2) + "\n")
    # Without the environment no test of another language can run at all; the rest is skipped by name.
    fatal = "python" in missing or (missing and os.environ.get("CI") == "true")
    return 1 if fatal else 0


def debian() -> str:
    wanted = [line.split() for line in lines_of(HERE / "apt-packages.txt")]
    absent = [package for package, proof in wanted if not is_there(proof)]
    if not absent:
        return f"{len(wanted)} packages are there"
    if os.geteuid() != 0:
        raise CannotInstall(absent, f"not root; run: apt-get install --no-install-recommends {' '.join(absent)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *absent]
    run(["apt-get", "update", "-q"], absent, env=quiet)
    run(install, absent, env=quiet)
    still = [package for package, proof in wanted if not is_there(proof)]
    if still:
        raise CannotInstall(still, "apt-get was content, but what the package should bring is not there")
    return f"installed {' '.join(absent)}"


def python() -> str:
    requirements = HERE / "requirements.txt"
    stamp = VENV / ".stamp"
    mark = digest(requirements.read_bytes(), f"{sys.base_prefix} {sys.version_info[:2]}".encode())
    if stamp.is_file() and stamp.read_text() == mark and (VENV / "bin" / "python").exists():
        return f"{VENV.name} is up to date"
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], ["python"])
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-r", str(requirements)], ["python"])
    stamp.write_text(mark)
    return f"made {VENV.name} with {len(lines_of(requirements))} packages"


def node() -> str:
    lock = NODE_PEER / "package-lock.json"
    modules = NODE_PEER / "node_modules"
    stamp = modules / ".stamp"
    mark = digest(lock.read_bytes())
    if stamp.is_file() and stamp.read_text() == mark:
        return "oidc-provider is up to date"
    npm = VENV / "bin" / "npm"
    if not npm.exists():
        raise CannotInstall(["oidc-provider"], f"no npm: {npm}")
    # npm is a script that looks for `node` on the path.
    env = {**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"}
    run([str(npm), "ci", "--silent", "--ignore-scripts"], ["oidc-provider"], cwd=NODE_PEER, env=env)
    stamp.write_text(mark)
    return "installed oidc-provider"


def is_there(proof: str) -> bool:
    kind, _, name = proof.partition(":")
    return find_spec(name) is not None if kind == "python" else Path(proof).exists()


def lines_of(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def run(
    command: list[str],
    for_what: list[str],
    *,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
) -> None:
    """Runs one installer quietly; its last words become the reason when it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise CannotInstall(for_what, f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = " / ".join(done.stdout.strip().splitlines()[-3:])
        raise CannotInstall(for_what, f"{Path(command[0]).name} ended with {done.returncode}: {said}")


if __name__ == "__main__":
    sys.exit(main())
