"""One durable rotation: a refresh token is redeemed, and the new one is on disk before the call returns.

The other tenants in the store are not touched; what they cost is the point. Neither way of MSAL calls fsync or seals.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msal

from cells import arguments, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report_time
from cells.server import SCOPE, tenant_id


def msal_extensions(arguments: Arguments) -> None:
    """msal-extensions over a plain file."""
    time_rotations(arguments, silently_refreshed(arguments, msal_client.persisted(own_copy(arguments))))


def msal_file(arguments: Arguments) -> None:
    """SerializableTokenCache and the recipe of its documentation: write the whole cache when it has changed."""
    path = own_copy(arguments)
    cache = msal_client.load(path)
    refresh = silently_refreshed(arguments, cache)

    def rotate() -> None:
        refresh()
        if cache.has_state_changed:
            path.write_text(cache.serialize(), encoding="utf-8")

    time_rotations(arguments, rotate)


def partnersam(arguments: Arguments) -> None:
    """One renewal in a sealed SQLite store, fsynced."""
    app = partnersam_client.open_copy(arguments.server, arguments.work, arguments.tenants)
    time_rotations(arguments, lambda: partnersam_client.rotate(app, tenant_id(0)))


def own_copy(arguments: Arguments) -> Path:
    """The filled cache, copied for this process."""
    path = arguments.work / "rotation-cache.json"
    shutil.copyfile(arguments.work / f"msal-{arguments.tenants}.json", path)
    return path


def silently_refreshed(arguments: Arguments, cache: msal.TokenCache) -> Callable[[], Any]:
    """acquire_token_silent with force_refresh for the first tenant, the account kept."""
    tenant = tenant_id(0)
    app = msal_client.Clients(arguments.server, cache).for_tenant(tenant)
    account = app.get_accounts(msal_client.username(tenant))[0]
    return lambda: msal_client.token_of(app.acquire_token_silent([SCOPE], account=account, force_refresh=True))


def time_rotations(arguments: Arguments, rotate: Callable[[], Any]) -> None:
    """Times rotations one after another, and makes sure that each was one exchange."""
    rotate()
    before = arguments.server.token_requests()
    with Stopwatch() as stopwatch:
        for _ in range(arguments.ops):
            rotate()
    exchanges = arguments.server.token_requests() - before
    if exchanges != arguments.ops:
        raise RuntimeError(f"{arguments.ops} rotations made {exchanges} exchanges")
    report_time(stopwatch, arguments.ops)


if __name__ == "__main__":
    arguments.run({"msal+extensions": msal_extensions, "msal, file": msal_file, "partnersam": partnersam})
