"""The OAuth server of tests/peers/oidc-provider: started with a certificate of its own, signed in to by a script."""

from __future__ import annotations

import html
import json
import re
import ssl
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

from harness import canary
from harness.certificates import for_loopback
from harness.places import TESTS, VENV
from harness.process import Process

SERVER = TESTS / "peers" / "oidc-provider" / "server.mjs"


class OidcProvider:
    """`with OidcProvider() as peer:` gives `peer.issuer`, `peer.client`, `peer.user`, `peer.resources` and `peer.ca_file`."""

    def __init__(self, *, access_token_seconds: int = 300) -> None:
        self.access_token_seconds = access_token_seconds
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
        """A client that trusts this server and nothing else, keeps cookies and follows no redirect by itself."""
        return httpx.Client(
            base_url=self.issuer,
            verify=ssl.create_default_context(cafile=str(self.ca_file)),
            trust_env=False,
            timeout=30,
        )

    def requests(self) -> list[dict[str, Any]]:
        """Every answered call of the token endpoint so far: grant_type, resource, scope, status, error."""
        with self.http() as http:
            answer: list[dict[str, Any]] = http.get("/peer/requests").json()
        return answer

    def sign_in(self, authorize_url: str, *, answer: str = "yes", password: str | None = None) -> str:
        """Follows an authorization link as a user would, and returns the redirect to the client with its parameters."""
        with self.http() as http:
            return self.walk(http, http.get(authorize_url), answer=answer, password=password)

    def enter_code(self, verification_uri: str, user_code: str, *, answer: str = "yes") -> str:
        """What a user does with a device code; returns the page that ends it."""
        with self.http() as http:
            page = self._submit(http, http.get(verification_uri), {"user_code": user_code})
            page = self._submit(http, page, {})
            self.walk(http, page, answer=answer, password=None, end="Signed in")
            return self._last.text

    def walk(
        self, http: httpx.Client, page: httpx.Response, *, answer: str, password: str | None, end: str | None = None
    ) -> str:
        """Redirects and forms, until a redirect leaves the server or a page has the title that ends it."""
        for _ in range(20):
            self._last = page
            if page.is_redirect:
                target = urljoin(str(page.url), page.headers["location"])
                if not target.startswith(self.issuer + "/"):
                    canary.know("oidc-provider", *parse_qs(urlsplit(target).query).get("code", []))
                    return target
                page = http.get(target)
            elif end and f"<title>{end}</title>" in page.text:
                return str(page.url)
            elif page.is_success and "<form" in page.text:
                fields = {"answer": answer}
                if 'name="password"' in page.text:
                    fields |= {"login": self.user["login"], "password": password or self.user["password"]}
                page = self._submit(http, page, fields)
            else:
                break
        raise AssertionError(f"sign-in went no further at {page.url}: {page.status_code} {page.text}")

    @staticmethod
    def _submit(http: httpx.Client, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
        """Posts the form of a page with its hidden fields."""
        hidden = {
            html.unescape(name): html.unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        }
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        return http.post(urljoin(str(page.url), action[1] if action else ""), data={**hidden, **fields})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()
        self._folder.cleanup()
