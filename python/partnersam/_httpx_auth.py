"""How `httpx` signs and meets a 401 that asks for claims: once, with a new token and the same request again. A module of its own, because httpx is imported
with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from partnersam import _native
    from partnersam.aio import Credential

__all__ = ["AsyncAuth", "async_flow", "flow"]


def flow(auth: _native.Auth, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
    """What httpx goes through for each request."""
    auth._sign(request, None)
    response = yield request
    challenge = _challenge(auth, request, response)
    if challenge is not None:
        # Raises what the caller must know, where a person is needed.
        auth._sign(request, challenge)
        yield request


async def async_flow(auth: _native.Auth, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
    """The same for an `httpx.AsyncClient`. It waits for a token in the event loop; the credential of `partnersam.aio` does not."""
    auth._sign(request, None)
    response = yield request
    challenge = _challenge(auth, request, response)
    if challenge is not None:
        auth._sign(request, challenge)
        yield request


def _challenge(auth: _native.Auth, request: httpx.Request, response: httpx.Response) -> str | None:
    """What the answer asks for, if the request can be sent a second time."""
    headers = response.headers.get_list("www-authenticate")
    if response.status_code not in (401, 403) or not headers or not auth._challenged(headers):
        return None
    # A body that comes from a generator is gone.
    return ", ".join(headers) if isinstance(request.stream, httpx.ByteStream) else None


class AsyncAuth(httpx.Auth):
    """Signs the requests that go to the audience's own hosts, and refuses every other."""

    def __init__(self, credential: Credential, audience: str, checks: _native.Auth) -> None:
        """`checks` knows the hosts."""
        self._credential = credential
        self._audience = audience
        self._checks = checks

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """What httpx goes through for each request."""
        self._checks._check(str(request.url))
        token = await self._credential.get_token(self._audience)
        request.headers["Authorization"] = f"Bearer {token.token}"
        response = yield request
        challenge = _challenge(self._checks, request, response)
        if challenge is not None:
            token = await self._credential.get_token(self._audience, claims=challenge)
            request.headers["Authorization"] = f"Bearer {token.token}"
            yield request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Refuses: a token is awaited here."""
        raise TypeError(
            "this signs requests of httpx.AsyncClient; for httpx.Client take the credential of partnersam.PartnerApp"
        )

    def __repr__(self) -> str:
        return f"aio.{self._checks!r}"
