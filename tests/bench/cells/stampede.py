"""64 threads that want one access token which nobody has yet: how often the server is asked.

The server takes 20 ms to answer, as a near one does over a network; without that delay MSAL asks some times less.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from cells import arguments, azure_client, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report
from cells.server import OTHER_SCOPE, SCOPE, tenant_id

THREADS = 64
DELAY_MS = 20


def msal_in_memory(arguments: Arguments) -> None:
    """One client for all threads."""
    app = msal_client.Clients(arguments.server, msal_client.load(arguments.work / "msal-1.json")).for_tenant(
        tenant_id(0)
    )
    account = app.get_accounts()[0]
    count_exchanges(arguments, lambda: msal_client.token_of(app.acquire_token_silent([OTHER_SCOPE], account=account)))


def azure_identity(arguments: Arguments) -> None:
    """One credential for all threads, whose token has expired: it cannot redeem for another audience."""
    credential = azure_client.Credentials(arguments.server).for_tenant(tenant_id(0))
    lifetime = arguments.server.control()["expires_in"]
    arguments.server.control(expires_in=1)
    credential.get_token(SCOPE)
    arguments.server.control(expires_in=lifetime)
    time.sleep(2)
    count_exchanges(arguments, lambda: credential.get_token(SCOPE))


def partnersam(arguments: Arguments) -> None:
    """One credential for all threads."""
    app = partnersam_client.open_copy(arguments.server, arguments.work, 1)
    credential = app.credential(tenant_id(0))
    credential.get_token(SCOPE)
    count_exchanges(arguments, lambda: credential.get_token(OTHER_SCOPE))


def count_exchanges(arguments: Arguments, want: Callable[[], Any]) -> None:
    """Lets all threads go at once; every one must get its token."""
    start = threading.Barrier(THREADS + 1)
    tokens: list[Any] = []

    def wait_and_want() -> None:
        start.wait()
        tokens.append(want())

    threads = [threading.Thread(target=wait_and_want) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    before = arguments.server.control(delay_ms=DELAY_MS)["token"]
    with Stopwatch() as stopwatch:
        start.wait()
        for thread in threads:
            thread.join()
    exchanges = arguments.server.control(delay_ms=0)["token"] - before
    if len(tokens) != THREADS:
        raise RuntimeError(f"only {len(tokens)} of {THREADS} threads got a token")
    if exchanges < 1:
        raise RuntimeError("nothing was exchanged: the token was not missing")
    report(exchanges=exchanges, cpu_ns_per_op=stopwatch.cpu_ns, wall_ns_per_op=stopwatch.wall_ns)


if __name__ == "__main__":
    arguments.run({"msal": msal_in_memory, "azure-identity": azure_identity, "partnersam": partnersam})
