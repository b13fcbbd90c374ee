"""A refresh exchange: one refresh token redeemed for one access token over a connection that is already open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cells import arguments, azure_client, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report_time
from cells.server import SCOPE, refresh_token, tenant_id

WARM_UP = 20
#: Claims make azure-identity pass its cache by and redeem.
CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'


def msal_in_memory(arguments: Arguments) -> None:
    """acquire_token_by_refresh_token of a client with an in-memory cache."""
    app = msal_client.Clients(arguments.server).for_tenant(tenant_id(0))
    token = refresh_token(1)
    time_exchanges(arguments, lambda: msal_client.token_of(app.acquire_token_by_refresh_token(token, [SCOPE])))


def azure_identity(arguments: Arguments) -> None:
    """get_token with claims, which redeems the refresh token in the credential's cache."""
    credential = azure_client.Credentials(arguments.server).for_tenant(tenant_id(0))
    credential.get_token(SCOPE)
    time_exchanges(arguments, lambda: credential.get_token(SCOPE, claims=CLAIMS))


def partnersam(arguments: Arguments) -> None:
    """A renewal into a store in memory: the same work, nothing on disk."""
    app = partnersam_client.open_app(arguments.server, "memory:", partnersam_client.key_file(arguments.work))
    partnersam_client.fill(app, range(1))
    time_exchanges(arguments, lambda: partnersam_client.rotate(app, tenant_id(0)))


def time_exchanges(arguments: Arguments, exchange: Callable[[], Any]) -> None:
    """Times exchanges one after another, and makes sure that each was one."""
    for _ in range(WARM_UP):
        exchange()
    before = arguments.server.token_requests()
    with Stopwatch() as stopwatch:
        for _ in range(arguments.ops):
            exchange()
    exchanges = arguments.server.token_requests() - before
    if exchanges != arguments.ops:
        raise RuntimeError(f"{arguments.ops} operations made {exchanges} exchanges")
    report_time(stopwatch, arguments.ops)


if __name__ == "__main__":
    arguments.run({"msal": msal_in_memory, "azure-identity": azure_identity, "partnersam": partnersam})
