"""A hot token: the access token is in memory and good for another hour."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msal

from cells import arguments, azure_client, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report_time
from cells.server import ECHOED_SCOPES, SCOPE, tenant_id

#: MSAL needs a client object for each tenant, at two milliseconds each; this many of the cached tenants are asked for.
MSAL_CLIENTS = 50


def msal_kept_account(arguments: Arguments) -> None:
    """The caller keeps the account object, so that only the token is looked up."""
    time_msal(arguments, msal_client.load(cache_file(arguments)), keep_account)


def msal_extensions_kept_account(arguments: Arguments) -> None:
    """The same, the cache persisted by msal-extensions."""
    time_msal(arguments, msal_client.persisted(cache_file(arguments)), keep_account)


def msal_documented(arguments: Arguments) -> None:
    """As its documentation says: look the account up, then ask silently."""
    time_msal(arguments, msal_client.load(cache_file(arguments)), look_up_account)


def msal_best_case(arguments: Arguments) -> None:
    """The account is kept and the scopes are written as the server echoed them: the one case that is a dict look-up."""
    time_msal(arguments, msal_client.load(cache_file(arguments)), keep_account_and_echo_scopes)


def azure_identity(arguments: Arguments) -> None:
    """A credential object, and so a cache, for each tenant."""
    credentials = azure_client.Credentials(arguments.server)
    kept = [credentials.for_tenant(tenant_id(number)) for number in range(arguments.tenants)]
    for credential in kept:
        credential.get_token(SCOPE)
    time_operations(arguments, kept, ask_credentials)


def partnersam(arguments: Arguments) -> None:
    """A credential object for each tenant, all of one app; the first look-up comes from the sealed store."""
    app = partnersam_client.open_copy(arguments.server, arguments.work, arguments.tenants)
    kept = [app.credential(tenant_id(number)) for number in range(arguments.tenants)]
    for credential in kept:
        credential.get_token(SCOPE)
    time_operations(arguments, kept, ask_credentials)


def keep_account(app: msal.ConfidentialClientApplication, tenant: str) -> Callable[[], Any]:
    """Only the second half."""
    account = app.get_accounts(msal_client.username(tenant))[0]
    return lambda: app.acquire_token_silent([SCOPE], account=account)


def look_up_account(app: msal.ConfidentialClientApplication, tenant: str) -> Callable[[], Any]:
    """The whole documented pattern."""
    name = msal_client.username(tenant)

    def ask() -> Any:
        return app.acquire_token_silent([SCOPE], account=app.get_accounts(name)[0])

    return ask


def keep_account_and_echo_scopes(app: msal.ConfidentialClientApplication, tenant: str) -> Callable[[], Any]:
    """Only the second half, with the key that the cache entry has."""
    account = app.get_accounts(msal_client.username(tenant))[0]
    return lambda: app.acquire_token_silent(ECHOED_SCOPES, account=account)


def time_msal(
    arguments: Arguments,
    cache: msal.TokenCache,
    prepare: Callable[[msal.ConfidentialClientApplication, str], Callable[[], Any]],
) -> None:
    """Asks for tenants chosen at random among the cached ones."""
    clients = msal_client.Clients(arguments.server, cache)
    numbers = random.Random(1).sample(range(arguments.tenants), min(MSAL_CLIENTS, arguments.tenants))  # noqa: S311
    operations = [prepare(clients.for_tenant(tenant_id(number)), tenant_id(number)) for number in numbers]
    msal_client.token_of(operations[0]())
    time_operations(arguments, operations, call)


def call(operations: Iterable[Callable[[], Any]]) -> None:
    """Where the caller has more to say than one object knows."""
    for operation in operations:
        operation()


def ask_credentials(credentials: Iterable[Any]) -> None:
    """As a program asks that goes through its tenants: no object but the credential itself is touched."""
    for credential in credentials:
        credential.get_token(SCOPE)


def time_operations(arguments: Arguments, each: list[Any], ask: Callable[[Iterable[Any]], None]) -> None:
    """Times one operation with each in turn; none of them may reach the server."""
    random.Random(2).shuffle(each)  # noqa: S311
    ask(each[: max(1, arguments.ops // 10)])
    before = arguments.server.token_requests()
    in_turn = itertools.islice(itertools.cycle(each), arguments.ops)
    with Stopwatch() as stopwatch:
        ask(in_turn)
    if arguments.server.token_requests() != before:
        raise RuntimeError("a hot token was redeemed again")
    report_time(stopwatch, arguments.ops)


def cache_file(arguments: Arguments) -> Path:
    """What `cells.seed` wrote."""
    return arguments.work / f"msal-{arguments.tenants}.json"


if __name__ == "__main__":
    arguments.run(
        {
            "msal": msal_kept_account,
            "msal+extensions": msal_extensions_kept_account,
            "msal, account looked up": msal_documented,
            "msal, scopes as echoed": msal_best_case,
            "azure-identity": azure_identity,
            "partnersam": partnersam,
        }
    )
