"""partnersam as its documentation uses it: configured by the environment, one app, one sealed store."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

from cells.server import SCOPE, Server, refresh_token, tenant_id


def environment(server: Server, store: str, key_file: Path) -> dict[str, str]:
    """The configuration; the key file is made where it is missing."""
    make_key(key_file)
    return {
        "PARTNERSAM_EMULATOR": str(server.ready_file),
        "PARTNERSAM_CLIENT_ID": server.client_id,
        "PARTNERSAM_CLIENT_SECRET": server.client_secret,
        "PARTNERSAM_TENANT_ID": server.tenant,
        "PARTNERSAM_STORE": store,
        "PARTNERSAM_KEY_FILE": str(key_file),
    }


def make_key(key_file: Path) -> None:
    """A new key for stores, where there is none."""
    if not key_file.exists():
        key = base64.urlsafe_b64encode(os.urandom(32)).decode("ascii").rstrip("=")
        key_file.write_text(f"partnersam-key-1:{key}\n", encoding="ascii")
        key_file.chmod(0o600)


def open_app(server: Server, store: str, key_file: Path) -> Any:
    """A PartnerApp over that store."""
    try:
        from partnersam import PartnerApp
    except ImportError as error:
        raise SystemExit("partnersam wheel not built") from error
    os.environ.update(environment(server, store, key_file))
    return PartnerApp.from_env()


def fill(app: Any, tenants: range) -> None:
    """Imports a grant for each tenant, which proves it by redeeming, and brings the token that other cells start from; no other."""
    for number in tenants:
        import_grant(app, number)
        app.credential(tenant_id(number)).get_token(SCOPE)


def import_grant(app: Any, number: int) -> None:
    """The grant of this tenant and no token."""
    app.import_grant(tenant_id(number), refresh_token(number), ["graph"])


def rotate(app: Any, tenant: str) -> None:
    """Redeems the tenant's refresh token now, whatever is cached; the new one is durable when this returns."""
    app.renew(tenant)


def rotate_all(app: Any) -> None:
    """The same for every grant in the store."""
    # Further ahead than any grant lives: all of them are due.
    ended = app.renew_due(within_days=3650)
    failed = [each for each in ended if each.error is not None]
    if failed:
        raise failed[0].error


def stored(work: Path, tenants: int) -> str:
    """The URI of the store that `cells.seed` filled."""
    return f"sqlite:{folder(work, tenants) / 'store.db'}"


def folder(work: Path, tenants: int) -> Path:
    """Where that store is; only its owner may enter."""
    path = work / f"partnersam-{tenants}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def open_copy(server: Server, work: Path, tenants: int) -> Any:
    """An app over a copy of that store, made for one process."""
    copy = work / "partnersam-copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder(work, tenants), copy)
    return open_app(server, f"sqlite:{copy / 'store.db'}", key_file(work))


def key_file(work: Path) -> Path:
    """The key of all stores of the run."""
    return work / "partnersam.key"
