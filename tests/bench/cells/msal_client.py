"""MSAL Python as its documentation uses it: one confidential client for each tenant, one token cache for all.

A careful user is assumed unless a cell says otherwise: one HTTP session and one discovery cache for all clients. Instance
discovery is off, and the server's certificate authority is the only one trusted: both make MSAL cheaper than in the field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msal
import msal_extensions
import requests
from msal.authority import canonicalize

from cells.server import Redeemer, Server, tenant_id


class Clients:
    """Makes confidential clients that share cache, session and discovery results."""

    def __init__(self, server: Server, cache: msal.TokenCache | None = None, *, share_session: bool = True) -> None:
        """With an empty cache where none is given."""
        self.cache = msal.TokenCache() if cache is None else cache
        self._server = server
        self._shared: dict[str, Any] = {"verify": server.ca_file}
        if share_session:
            session = requests.Session()
            session.verify = server.ca_file
            self._shared = {"http_client": session, "http_cache": {}}

    def for_tenant(self, tenant: str) -> msal.ConfidentialClientApplication:
        """The client of one tenant."""
        return msal.ConfidentialClientApplication(
            self._server.client_id,
            client_credential=self._server.client_secret,
            authority=f"{self._server.authority}/{tenant}",
            instance_discovery=False,
            token_cache=self.cache,
            **self._shared,
        )


def fill(server: Server, cache: msal.TokenCache, tenants: range) -> None:
    """Puts a real reply for each tenant into the cache, as MSAL itself would after a sign-in."""
    redeemer = Redeemer(server)
    for number in tenants:
        tenant = tenant_id(number)
        reply = redeemer.redeem(tenant)
        endpoint = f"{server.authority}/{tenant}/oauth2/v2.0/token"
        _, environment, _ = canonicalize(endpoint)
        cache.add(
            {
                "client_id": server.client_id,
                "scope": reply["scope"].split(),
                "token_endpoint": endpoint,
                "environment": environment,
                "grant_type": "authorization_code",
                "data": {},
                "response": reply,
            }
        )


def load(path: Path) -> msal.SerializableTokenCache:
    """A cache from the file that `fill` was saved to."""
    cache = msal.SerializableTokenCache()
    cache.deserialize(path.read_text(encoding="utf-8"))
    return cache


def persisted(path: Path) -> msal_extensions.PersistedTokenCache:
    """The cache of msal-extensions over a plain file: its cheapest persistence."""
    return msal_extensions.PersistedTokenCache(msal_extensions.FilePersistence(str(path)))


def username(tenant: str) -> str:
    """Whom the server's id token names."""
    return f"admin@{tenant}.example"


def token_of(result: dict[str, Any] | None) -> str:
    """The access token; anything else fails the cell."""
    if not result or "access_token" not in result:
        raise RuntimeError(f"no token: {result}")
    return str(result["access_token"])
