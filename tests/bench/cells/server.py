"""The token server of a run as a cell sees it: where it listens, what it counted, and whom it stands for."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What every cell asks a token for. Entra echoes `.default` and the permissions behind it.
SCOPE = "https://graph.microsoft.com/.default"
ECHOED_SCOPES = ["https://graph.microsoft.com/user_impersonation", SCOPE]
#: Another audience of the same partner, for which no token is there yet.
OTHER_SCOPE = "https://management.azure.com/.default"


@dataclass(frozen=True)
class Server:
    """What the ready file says."""

    ready_file: Path
    authority: str
    ca_file: str
    client_id: str
    client_secret: str
    tenant: str

    @classmethod
    def from_ready_file(cls, path: Path) -> Server:
        """Reads the file that the server wrote when it listened."""
        ready = json.loads(path.read_text(encoding="utf-8"))
        app = ready["apps"][0]
        return cls(path, ready["authority"], ready["ca_file"], app["client_id"], app["client_secret"], app["tenant"])

    @property
    def host(self) -> str:
        """Host and port."""
        return self.authority.removeprefix("https://")

    def connect(self) -> http.client.HTTPSConnection:
        """A plain connection: for control and for filling stores, never for what is measured."""
        host, _, port = self.host.partition(":")
        return http.client.HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=self.ca_file))

    def token_requests(self) -> int:
        """Token requests since the server started or was reset."""
        return int(self.control()["token"])

    def control(self, **settings: int) -> dict[str, int]:
        """Changes `delay_ms` or `expires_in`, or resets the counts (`reset=1`); answers with the counts."""
        connection = self.connect()
        connection.request("POST", "/control?" + urllib.parse.urlencode(settings))
        response = connection.getresponse()
        answer: dict[str, int] = json.loads(response.read())
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"the token server refused: {settings}")
        return answer


class Redeemer:
    """Gets real replies to fill caches with, over one connection."""

    def __init__(self, server: Server) -> None:
        """Connects at the first use."""
        self._server = server
        self._connection = server.connect()

    def redeem(self, tenant: str, scope: str = SCOPE) -> dict[str, Any]:
        """One reply of the token endpoint."""
        form = {
            "grant_type": "refresh_token",
            "client_id": self._server.client_id,
            "client_secret": self._server.client_secret,
            "refresh_token": refresh_token(0),
            "scope": f"{scope} openid profile offline_access",
            "client_info": "1",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", f"/{tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form), headers)
        reply: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return reply


def tenant_id(number: int) -> str:
    """The GUID of a tenant."""
    return f"00000000-0000-4000-8000-{number:012x}"


def refresh_token(number: int) -> str:
    """A refresh token of the usual length; the server takes any."""
    return f"0.AXkA-imported-{number:020d}.".ljust(1100, "r")
