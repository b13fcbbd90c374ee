"""azure-identity where it applies: AuthorizationCodeCredential is its one credential that holds a user's refresh token."""

from __future__ import annotations

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import AuthorizationCodeCredential

from cells.server import Server


class Credentials:
    """Makes credentials that share one HTTP session, as a careful user would."""

    def __init__(self, server: Server) -> None:
        """With a session of its own."""
        self._server = server
        session = requests.Session()
        session.verify = server.ca_file
        self._transport = RequestsTransport(session=session, session_owner=False)
        self._transport.connection_config.verify = server.ca_file

    def for_tenant(self, tenant: str) -> AuthorizationCodeCredential:
        """The credential of one tenant, before its code is redeemed."""
        return AuthorizationCodeCredential(
            tenant,
            self._server.client_id,
            authorization_code="bench-code",
            redirect_uri="http://localhost",
            client_secret=self._server.client_secret,
            authority=self._server.authority,
            transport=self._transport,
        )
