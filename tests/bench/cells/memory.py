"""Resident memory for each tenant: with its token in memory ("cached"), and with its grant in the store only ("idle").

The difference of the process's resident set before and after, divided by the number of tenants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msal

from cells import arguments, azure_client, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import report, resident_bytes
from cells.server import SCOPE, tenant_id


def msal_cached(arguments: Arguments) -> None:
    """Cache entries and the client object that each tenant needs, as after a token was asked for."""

    def grow() -> Any:
        cache = msal.TokenCache()
        msal_client.fill(arguments.server, cache, range(1, 1 + arguments.tenants))
        clients = msal_client.Clients(arguments.server, cache)
        return cache, [clients.for_tenant(tenant_id(number)) for number in range(1, 1 + arguments.tenants)]

    cache = msal.TokenCache()
    msal_client.fill(arguments.server, cache, range(1))
    msal_client.Clients(arguments.server, cache).for_tenant(tenant_id(0))
    measure_growth(arguments.tenants, grow)


def msal_cache_only(arguments: Arguments) -> None:
    """Cache entries alone."""

    def grow() -> Any:
        cache = msal.TokenCache()
        msal_client.fill(arguments.server, cache, range(1, 1 + arguments.tenants))
        return cache

    msal_client.fill(arguments.server, msal.TokenCache(), range(1))
    measure_growth(arguments.tenants, grow)


def msal_extensions_idle(arguments: Arguments) -> None:
    """One tenant of a persisted cache is used; all of it is in memory then."""
    msal_client.Clients(arguments.server).for_tenant(tenant_id(0))

    def grow() -> Any:
        cache = msal_client.persisted(arguments.work / f"msal-{arguments.tenants}.json")
        app = msal_client.Clients(arguments.server, cache).for_tenant(tenant_id(0))
        account = app.get_accounts(msal_client.username(tenant_id(0)))[0]
        msal_client.token_of(app.acquire_token_silent([SCOPE], account=account))
        return cache, app

    measure_growth(arguments.tenants, grow)


def azure_identity_cached(arguments: Arguments) -> None:
    """A credential for each tenant, each with its token."""
    credentials = azure_client.Credentials(arguments.server)
    credentials.for_tenant(tenant_id(0)).get_token(SCOPE)

    def grow() -> Any:
        kept = [credentials.for_tenant(tenant_id(number)) for number in range(1, 1 + arguments.tenants)]
        for credential in kept:
            credential.get_token(SCOPE)
        return kept

    measure_growth(arguments.tenants, grow)


def partnersam_cached(arguments: Arguments) -> None:
    """A credential for each tenant, each with its token."""
    app = partnersam_client.open_copy(arguments.server, arguments.work, arguments.tenants)
    app.credential(tenant_id(0)).get_token(SCOPE)

    def grow() -> Any:
        kept = [app.credential(tenant_id(number)) for number in range(1, arguments.tenants)]
        for credential in kept:
            credential.get_token(SCOPE)
        return kept

    measure_growth(arguments.tenants - 1, grow)


def partnersam_idle(arguments: Arguments) -> None:
    """One tenant of a store with many is used; before, one of a store with one."""
    few = partnersam_client.open_app(
        arguments.server, partnersam_client.stored(arguments.work, 1), partnersam_client.key_file(arguments.work)
    )
    few.credential(tenant_id(0)).get_token(SCOPE)

    def grow() -> Any:
        app = partnersam_client.open_copy(arguments.server, arguments.work, arguments.tenants)
        app.credential(tenant_id(0)).get_token(SCOPE)
        return app

    measure_growth(arguments.tenants, grow)


def measure_growth(tenants: int, grow: Callable[[], Any]) -> None:
    """Memory after `grow` less memory before; what it returns is alive meanwhile."""
    before = resident_bytes()
    kept = grow()
    after = resident_bytes()
    report(bytes_per_tenant=(after - before) / tenants, tenants=tenants)
    del kept


if __name__ == "__main__":
    arguments.run(
        {
            "msal": msal_cached,
            "msal, cache only": msal_cache_only,
            "msal+extensions": msal_extensions_idle,
            "azure-identity": azure_identity_cached,
            "partnersam": partnersam_cached,
            "partnersam, idle": partnersam_idle,
        }
    )
