"""What the figures were measured on and with."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any


def describe(python: Path, work: Path, repository: Path) -> dict[str, Any]:
    """Processor, memory, system, file system of the stores, and every version that matters."""
    return {
        "processor": field_of(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "store_file_system": file_system(work),
        "rustc": said(["rustc", "--version"]),
        "python": said([str(python), "--version"]),
        "openssl": said([str(python), "-c", "import ssl; print(ssl.OPENSSL_VERSION)"]),
        "revision": said(["git", "-C", str(repository), "describe", "--always", "--dirty"]),
        "packages": packages(python),
        "crates": crates(repository / "Cargo.lock"),
    }


def packages(python: Path) -> dict[str, str]:
    """The installed Python packages."""
    listed: list[dict[str, str]] = json.loads(said([str(python), "-m", "pip", "list", "--format=json"]))
    return {package["name"]: package["version"] for package in listed}


def crates(lock_file: Path) -> dict[str, str]:
    """The versions of the crates that the bare client and partnersam share."""
    wanted = {"reqwest", "rustls", "aws-lc-rs", "hyper", "tokio", "rusqlite", "partnersam"}
    found: dict[str, str] = {}
    name = ""
    for line in lock_file.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(" = ")
        if key == "name":
            name = value.strip('"')
        elif key == "version" and name in wanted:
            found.setdefault(name, value.strip('"'))
    return found


def file_system(folder: Path) -> str:
    """Its type: fsync costs nothing on tmpfs, and a figure taken there would say nothing."""
    return said(["df", "--output=fstype", str(folder)]).splitlines()[-1]


def field_of(file: Path, field: str) -> str:
    """The first value of a field in a file of `name : value` lines."""
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return "unknown"


def said(command: list[str]) -> str:
    """The command's output on one line."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
