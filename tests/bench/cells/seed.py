"""Fills the stores that other cells start from, once a run; prints how long that took, which nobody compares."""

from __future__ import annotations

import msal

from cells import arguments, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report_time


def msal_cache(arguments: Arguments) -> None:
    """A serialized MSAL cache: account, id token, access token and refresh token of each tenant."""
    cache = msal.SerializableTokenCache()
    with Stopwatch() as stopwatch:
        msal_client.fill(arguments.server, cache, range(arguments.tenants))
        (arguments.work / f"msal-{arguments.tenants}.json").write_text(cache.serialize(), encoding="utf-8")
    report_time(stopwatch, arguments.tenants)


def partnersam_store(arguments: Arguments) -> None:
    """A sealed SQLite store: a grant and one access token for each tenant."""
    store = partnersam_client.stored(arguments.work, arguments.tenants)
    app = partnersam_client.open_app(arguments.server, store, partnersam_client.key_file(arguments.work))
    with Stopwatch() as stopwatch:
        partnersam_client.fill(app, range(arguments.tenants))
    report_time(stopwatch, arguments.tenants)


if __name__ == "__main__":
    arguments.run({"msal": msal_cache, "partnersam": partnersam_store})
