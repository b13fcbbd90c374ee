"""partnersam as its documentation uses it: configured by the environment, one app, one sealed store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from cells.server import Server


def environment(server: Server, store: str, key_file: Path) -> dict[str, str]:
    """The configuration; the key file is made where it is missing."""
    if not key_file.exists():
        key_file.write_bytes(os.urandom(32))
        key_file.chmod(0o600)
    return {
        "PARTNERSAM_EMULATOR": str(server.ready_file),
        "PARTNERSAM_CLIENT_ID": server.client_id,
        "PARTNERSAM_CLIENT_SECRET": server.client_secret,
        "PARTNERSAM_TENANT_ID": server.tenant,
        "PARTNERSAM_STORE": store,
        "PARTNERSAM_KEY_FILE": str(key_file),
    }


def open_app(server: Server, store: str, key_file: Path) -> Any:
    """A PartnerApp over that store."""
    try:
        from partnersam import PartnerApp
    except ImportError as error:
        raise SystemExit("partnersam wheel not built") from error
    os.environ.update(environment(server, store, key_file))
    return PartnerApp.from_env()


def stored(work: Path, tenants: int) -> str:
    """The URI of the store that `cells.seed` filled."""
    return f"sqlite:{folder(work, tenants) / 'store.db'}"


def folder(work: Path, tenants: int) -> Path:
    """Where that store is; only its owner may enter."""
    path = work / f"partnersam-{tenants}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def own_copy(work: Path, tenants: int) -> str:
    """That store copied for one process, closed when it was copied."""
    copy = work / "partnersam-copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder(work, tenants), copy)
    return f"sqlite:{copy / 'store.db'}"


def key_file(work: Path) -> Path:
    """The key of all stores of the run."""
    return work / "partnersam.key"
