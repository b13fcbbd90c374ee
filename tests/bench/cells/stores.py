"""One rotation in a store with one grant and in one with many, and the opening of a full one: SQLite and PostgreSQL.

`python tests/bench/cells/stores.py PROGRAM [GRANTS]`; the program is bench-store. Both stores wait for the disk. Prints one JSON line for each cell.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.postgres import Postgres

ROTATIONS = 500


def cells(program: Path, folder: Path, server: Postgres, grants: int) -> Iterator[dict[str, object]]:
    """In turn, so that what else the machine does meets both alike."""
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(f"partnersam-key-1:{urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip('=')}\n")
    stores = {}
    for count in (1, grants):
        stores["sqlite", count] = f"sqlite:{folder / f'{count}.db'}"
        stores["postgres", count] = server.database()
    for _ in range(3):
        for (kind, count), store in stores.items():
            command = [program, store, key, str(count), str(ROTATIONS)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            yield {"store": kind, **json.loads(done.stdout)}


def main() -> int:
    program, grants = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory(prefix="psam-bench-") as folder, Postgres(fsync=True) as server:
        for cell in cells(program, Path(folder), server, grants):
            print(json.dumps(cell), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
