"""The OAuth server of tests/peers/oidc-provider: started with a certificate of its own, signed in to by a script."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from harness import canary, pages
from harness.certificates import for_loopback
from harness.pages import Form, Reply
from harness.places import TESTS, VENV
from harness.process import Process

SERVER = TESTS / "peers" / "oidc-provider" / "server.mjs"


class OidcProvider:
    """`with OidcProvider() as peer:` gives `peer.issuer`, `peer.client`, `peer.user`, `peer.resources` and `peer.ca_file`."""

    def __init__(
        self,
        *,
        access_token_seconds: int = 300,
        amr: str = "pwd mfa",
        client_jwk: dict[str, str] | None = None,
        client_algorithm: str = "PS256",
    ) -> None:
        """`amr`: how its user signs in, as its tokens say it; without `mfa` a second factor is not proved.

        `client_jwk`: the public key of a client that proves itself by assertions instead of a secret.
        """
        self.client_proof = {
            "CLIENT_JWK": json.dumps(client_jwk) if client_jwk else "",
            "CLIENT_ALGORITHM": client_algorithm,
        }
        self.access_token_seconds = access_token_seconds
        self.amr = amr
        self._folder = tempfile.TemporaryDirectory(prefix="psam-peer-")

    def __enter__(self) -> OidcProvider:
        folder = Path(self._folder.name)
        certificate = for_loopback(folder)
        ready = folder / "ready.json"
        env = {
            "PATH": "/usr/bin:/bin",
            "NODE_ENV": "production",
            "READY_FILE": str(ready),
            "TLS_CHAIN": str(certificate.chain_file),
            "TLS_KEY": str(certificate.key_file),
            "ACCESS_TOKEN_SECONDS": str(self.access_token_seconds),
            "AMR": self.amr,
            **self.client_proof,
        }
        self._process = Process("oidc-provider", [VENV / "bin" / "node", SERVER], env=env, keep="servers")
        try:
            told = json.loads(self._process.wait_for(ready))
        except BaseException:
            self._process.kill()
            raise
        self.ca_file: Path = certificate.ca_file
        self.issuer: str = told["issuer"]
        self.client: dict[str, str] = told["client"]
        self.user: dict[str, str] = told["user"]
        self.resources: dict[str, str] = told["resources"]
        canary.know("oidc-provider", self.client["client_secret"], self.user["password"])
        return self

    def http(self) -> httpx.Client:
        """A browser without a window."""
        return pages.browser(self.ca_file, self.issuer)

    def requests(self) -> list[dict[str, Any]]:
        """Every answered call of the token endpoint so far: grant_type, resource, scope, status, error."""
        with self.http() as http:
            answer: list[dict[str, Any]] = http.get("/peer/requests").json()
        return answer

    def sign_in(self, authorize_url: str, *, answer: str = "yes", password: str | None = None) -> Reply:
        """Follows an authorization link as a user would, up to the reply to the client."""
        with self.http() as http:
            reply = pages.walk(http, http.get(authorize_url), self.issuer, self._answer(answer, password))
        assert isinstance(reply, Reply), f"sign-in ended on a page: {reply.text}"
        canary.know("oidc-provider", reply.fields.get("code", ""))
        return reply

    def enter_code(self, verification_uri: str, user_code: str, *, answer: str = "yes") -> str:
        """What a user does with a device code; returns the page that ends it."""
        with self.http() as http:
            page = pages.walk(http, http.get(verification_uri), self.issuer, self._answer(answer, None, user_code))
        assert isinstance(page, httpx.Response), f"the device's page led away: {page.url}"
        return page.text

    def _answer(self, answer: str, password: str | None, user_code: str = "") -> pages.Answer:
        def fill(form: Form, page: httpx.Response) -> dict[str, str]:
            if "password" in form.names:
                return {"login": self.user["login"], "password": password or self.user["password"], "answer": answer}
            if "confirm" in form.names:
                return {}
            return {"user_code": user_code} if "user_code" in form.names else {"answer": answer}

        return fill

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
        self._folder.cleanup()
