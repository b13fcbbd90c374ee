"""How an `httpx.AsyncClient` signs: a module of its own, because httpx is imported with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from partnersam import _native
    from partnersam.aio import Credential

__all__ = ["AsyncAuth"]


class AsyncAuth(httpx.Auth):
    """Signs the requests that go to the audience's own hosts, and refuses every other."""

    def __init__(self, credential: Credential, audience: str, checks: _native.Auth) -> None:
        """`checks` knows the hosts."""
        self._credential = credential
        self._audience = audience
        self._checks = checks

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """What httpx calls for each request."""
        self._checks._check(str(request.url))
        token = await self._credential.get_token(self._audience)
        request.headers["Authorization"] = f"Bearer {token.token}"
        yield request

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Refuses: a token is awaited here."""
        raise TypeError(
            "this signs requests of httpx.AsyncClient; for httpx.Client take the credential of partnersam.PartnerApp"
        )

    def __repr__(self) -> str:
        return f"aio.{self._checks!r}"
