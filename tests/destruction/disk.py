"""A disk whose power can be cut: ext4 on a file, by way of a loop device.

What was written and not synced lies in the memory of the system, and is gone after the cut (EXT4_IOC_SHUTDOWN without flushing the journal); what
was synced is there once the journal was replayed at the next mount. The device itself keeps what it was given: lying disks are not played.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from pathlib import Path
from types import TracebackType

import pytest

SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32) in fs/ext4/ext4.h."""
NO_LOG_FLUSH = 2
MEGABYTES = 48


class Disk:
    """`with Disk(folder) as disk:` and use the files in `disk.root`."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "disk.img"
        self.root = folder / "disk"
        self.cuts = 0

    def __enter__(self) -> Disk:
        self.root.mkdir(mode=0o700)
        with self.image.open("wb") as image:
            image.truncate(MEGABYTES << 20)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", self.image], check=True, capture_output=True)
        if os.geteuid() != 0:
            pytest.skip("only root can mount a disk to cut its power")
        mounted = self._mount()
        if mounted.returncode:
            pytest.skip(f"no disk can be mounted here to cut its power: {mounted.stderr.strip()}")
        self.root.chmod(0o700)
        return self

    def _mount(self) -> subprocess.CompletedProcess[str]:
        # The journal is committed by time only after an hour, so that it is the syncs alone that make anything last.
        command: list[str | Path] = ["/usr/bin/mount", "-t", "ext4", "-o", "loop,commit=3600", self.image, self.root]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def cut(self) -> None:
        """Cuts the power and brings the machine up again."""
        root = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(root, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(root)
        subprocess.run(["/usr/bin/umount", self.root], check=True)
        mounted = self._mount()
        assert mounted.returncode == 0, mounted.stderr
        self.cuts += 1

    def settle(self) -> None:
        """Puts everything on the disk: what the next cut takes away was written after this."""
        subprocess.run(["/usr/bin/sync", "-f", self.root], check=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["/usr/bin/umount", "--lazy", self.root], check=True, capture_output=True)
        self.image.unlink()
