"""A certificate authority for one test server, and the ways to make a client trust it without switching checks off."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class ServerCertificate:
    ca_file: Path
    chain_file: Path
    key_file: Path


def for_loopback(folder: Path) -> ServerCertificate:
    """A fresh authority and a leaf for localhost, 127.0.0.1 and ::1, as PEM files in the folder."""
    return for_names(folder, "localhost", "127.0.0.1", "::1")


def for_names(folder: Path, *names: str) -> ServerCertificate:
    """The same for other names and addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    leaf = authority.issue_cert(*names)
    made = ServerCertificate(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(made.ca_file)
    made.chain_file.write_bytes(b"".join(each.bytes() for each in leaf.cert_chain_pems))
    made.key_file.touch(mode=0o600)
    leaf.private_key_pem.write_to_path(made.key_file)
    return made


def trust_in_nss(home: Path, *ca_files: Path) -> None:
    """Makes every program that reads the NSS database of this home directory, Chromium among them, trust these."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True, exist_ok=True)
    certutil("-N", "--empty-password", database=database)
    for number, ca_file in enumerate(ca_files):
        certutil("-A", "-n", f"test authority {number}", "-t", "C,,", "-i", str(ca_file), database=database)


def certutil(*arguments: str, database: Path) -> None:
    done = subprocess.run(
        ["/usr/bin/certutil", "-d", f"sql:{database}", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"certutil {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
