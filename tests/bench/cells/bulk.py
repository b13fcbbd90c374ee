"""Bulk renewal: the refresh token of every tenant is redeemed once, and the new one kept."""

from __future__ import annotations

from typing import Any

from plan import AT_SERVER

from cells import arguments, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report_time
from cells.server import SCOPE, refresh_token, tenant_id

# One for each request that is at the server, and one that may have been lost between two of them.
MOST_CONNECTIONS = AT_SERVER + 1


def msal_documented(arguments: Arguments) -> None:
    """A client for each tenant, made as documented: each has its own session and so its own connection."""
    renew(arguments, msal_client.Clients(arguments.server, share_session=False))


def msal_shared_session(arguments: Arguments) -> None:
    """A client for each tenant, all over one session and one discovery cache."""
    renew(arguments, msal_client.Clients(arguments.server))


def renew(arguments: Arguments, clients: msal_client.Clients) -> None:
    """All tenants one after another into one in-memory cache: nothing is written to disk."""
    msal_client.token_of(clients.for_tenant(tenant_id(arguments.tenants)).acquire_token_by_refresh_token("r", [SCOPE]))
    before = arguments.server.token_requests()
    with Stopwatch() as stopwatch:
        for number in range(arguments.tenants):
            app = clients.for_tenant(tenant_id(number))
            msal_client.token_of(app.acquire_token_by_refresh_token(refresh_token(number), [SCOPE]))
    check_exchanges(arguments, before)
    report_time(stopwatch, arguments.tenants)


def partnersam_in_memory(arguments: Arguments) -> None:
    """All grants of a store in memory, in one call: nothing is written to disk, as MSAL writes nothing."""
    app = partnersam_client.open_app(arguments.server, "memory:", partnersam_client.key_file(arguments.work))
    for number in range(arguments.tenants):
        partnersam_client.import_grant(app, number)
    renew_all(arguments, app)


def partnersam(arguments: Arguments) -> None:
    """All grants of a sealed store on disk, in one call; every new refresh token is durable when it returns."""
    renew_all(arguments, partnersam_client.open_copy(arguments.server, arguments.work, arguments.tenants))


def renew_all(arguments: Arguments, app: Any) -> None:
    """Every grant that the app has."""
    before, connected = arguments.server.token_requests(), arguments.server.control()["connections"]
    with Stopwatch() as stopwatch:
        partnersam_client.rotate_all(app)
    check_exchanges(arguments, before)
    # Those that ask for the counts have one of their own each.
    connections = arguments.server.control()["connections"] - connected - 2
    if connections > MOST_CONNECTIONS:
        raise RuntimeError(f"{connections} connections were opened for {AT_SERVER} requests at a time")
    report_time(stopwatch, arguments.tenants, connections=connections)


def check_exchanges(arguments: Arguments, before: int) -> None:
    """One exchange for each tenant, no more and no less."""
    exchanges = arguments.server.token_requests() - before
    if exchanges != arguments.tenants:
        raise RuntimeError(f"{arguments.tenants} tenants made {exchanges} exchanges")


if __name__ == "__main__":
    arguments.run(
        {
            "msal": msal_documented,
            "msal, session shared": msal_shared_session,
            "partnersam, in memory": partnersam_in_memory,
            "partnersam": partnersam,
        }
    )
