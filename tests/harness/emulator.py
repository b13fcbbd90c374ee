"""The emulator, started for a test: where it listens, whom it knows, what it is told to do wrong, and a person who signs in."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from harness import canary, pages
from harness.pages import Form, Reply
from harness.places import CLI, EMULATOR
from harness.process import Process


class Emulator:
    """`with Emulator() as emulator:` and give `emulator.ready_file` to the program under test as PARTNERSAM_EMULATOR."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="psam-emulator-")
        self.ready_file = Path(self._folder.name) / "ready.json"
        self.ready: dict[str, Any] = {}
        """The whole ready file."""

    def __enter__(self) -> Emulator:
        program: list[str | Path] = [EMULATOR] if EMULATOR.exists() else [CLI, "emulator"]
        env = {"PATH": "/usr/bin:/bin", "HOME": self._folder.name, "TMPDIR": self._folder.name}
        self._process = Process(
            "emulator",
            [*program, "--ready-file", self.ready_file],
            env=env,
            cwd=Path(self._folder.name),
            keep="servers",
        )
        try:
            self.ready = json.loads(self._process.wait_for(self.ready_file))
        except BaseException:
            self._process.kill()
            raise
        self._control = httpx.Client(base_url=self.ready["control"], verify=self.tls(), trust_env=False, timeout=30)
        canary.know("the emulator", *(app.get("client_secret") or "" for app in self.ready["apps"]))
        canary.know("the emulator", *(user["password"] for user in self.ready["users"]))
        certificates = [each for app in self.ready["apps"] for each in app.get("certificates", [])]
        canary.know("the emulator", *(each["pfx_passphrase"] for each in certificates))
        return self

    @property
    def authority(self) -> str:
        found: str = self.ready["authority"]
        return found

    @property
    def ca_file(self) -> Path:
        return Path(self.ready["ca_file"])

    def tls(self) -> ssl.SSLContext:
        """Trusts the emulator's authority and nothing else."""
        return ssl.create_default_context(cafile=self.ready["ca_file"])

    def app(self, profile: str = "cpv") -> dict[str, Any]:
        return self._one("apps", "profile", profile)

    def user(self, upn: str = "admin@fabrikam.com") -> dict[str, Any]:
        return self._one("users", "upn", upn)

    def tenant(self, domain: str = "fabrikam.com") -> dict[str, Any]:
        return self._one("tenants", "domain", domain)

    def customer(self, domain: str = "contoso.com") -> dict[str, Any]:
        return self._one("customers", "domain", domain)

    def _one(self, kind: str, key: str, value: str) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.ready[kind] if each[key] == value)
        return found

    def control(self, **scenario: Any) -> None:
        """Changes how it behaves from now on, as `control(mfa=False)`; what is not named stays as it is."""
        self._tell("/scenario", scenario)

    def reset(self) -> None:
        """Forgets scenarios, grants, consents and the record."""
        self._tell("/reset", {})

    def requests(self, **having: Any) -> list[dict[str, Any]]:
        """The token endpoint's record, oldest first: what was asked, by which grant, and how it was answered."""
        answer = self._control.get("/requests")
        assert answer.is_success, answer.text
        entries: list[dict[str, Any]] = answer.json()["requests"]
        return [each for each in entries if all(each.get(name) == value for name, value in having.items())]

    def forget_requests(self) -> None:
        """Empties the record."""
        self._tell("/requests/reset", {})

    def calls(self, **having: Any) -> list[dict[str, Any]]:
        """What came to the services behind the tokens, oldest first: Partner Center, Graph, Resource Manager, Key Vault."""
        answer = self._control.get("/calls")
        assert answer.is_success, answer.text
        entries: list[dict[str, Any]] = answer.json()["calls"]
        return [each for each in entries if all(each.get(name) == value for name, value in having.items())]

    def vault_calls(self) -> list[dict[str, Any]]:
        """What came to Key Vault, oldest first."""
        return self.calls(api="key_vault")

    def close_connections(self) -> None:
        """Hangs up on everybody, as servers do with connections that are idle."""
        self._tell("/connections/close", {})

    def seed_grants(self, *upns: str, profile: str = "cpv", mfa: bool = True) -> list[dict[str, str]]:
        """Refresh tokens without a sign-in: upn, tenant and refresh_token for each user, in the order asked."""
        body = {"client_id": self.app(profile)["client_id"], "upns": list(upns), "mfa": mfa}
        grants: list[dict[str, str]] = self._tell("/grants", body)["grants"]
        canary.know("the emulator", *(each["refresh_token"] for each in grants))
        return grants

    def add_partners(self, count: int) -> list[dict[str, Any]]:
        """More partner tenants, each with a user who can sign in: pairs of tenant and user."""
        partners: list[dict[str, Any]] = self._tell("/partners", {"count": count})["partners"]
        canary.know("the emulator", *{each["user"]["password"] for each in partners})
        self.ready["tenants"] += [each["tenant"] for each in partners]
        self.ready["users"] += [each["user"] for each in partners]
        return partners

    def add_customers(self, count: int, **like: Any) -> None:
        """More customers of fabrikam.com, consented to nothing, or as these fields of the control endpoint say."""
        self._tell("/customers", {"count": count, **like})

    def forget_calls(self) -> None:
        self._tell("/calls/reset", {})

    def registered(self, kind: str, profile: str = "cpv") -> dict[str, str]:
        """What the app is registered with now, `secrets` or `certificates`: name by key id."""
        answer = self._control.get("/state")
        assert answer.is_success, answer.text
        client_id = self.app(profile)["client_id"]
        app = next(each for each in answer.json()["credentials"] if each["client_id"] == client_id)
        return {each["key_id"]: each["name"] for each in app[kind]}

    def federated_token(self) -> str:
        """What another identity provider would say of the `cpv` app's workload."""
        token: str = self._tell("/federated-token", {})["token"]
        canary.know("the emulator", token)
        return token

    def _tell(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._control.post(path, json=dict(body))
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        told: dict[str, Any] = answer.json()
        return told

    def sign_in(self, authorize_url: str, upn: str = "admin@fabrikam.com", **how: Any) -> Reply:
        """Follows an authorization link as this user would, up to the reply to the client.

        `password` and `otp` replace the right ones; `accept=False` says no to the consent that is asked for.
        """
        with pages.browser(self.ca_file) as http:
            reply = pages.walk(http, http.get(authorize_url), self.authority, self._answer(upn, **how))
        assert isinstance(reply, Reply), f"sign-in ended on a page: {reply.text}"
        canary.know("the emulator", reply.fields.get("code", ""))
        return reply

    def enter_code(self, verification_uri: str, user_code: str, upn: str = "admin@fabrikam.com", **how: Any) -> str:
        """What a user does with a device code; returns the page that ends it."""
        with pages.browser(self.ca_file) as http:
            page = pages.walk(http, http.get(verification_uri), self.authority, self._answer(upn, user_code, **how))
        assert isinstance(page, httpx.Response), f"the device's page led away: {page.url}"
        return page.text

    def _answer(
        self,
        upn: str,
        user_code: str = "",
        *,
        password: str | None = None,
        otp: str | None = None,
        accept: bool = True,
    ) -> pages.Answer:
        user = self.user(upn)

        def fill(form: Form, page: httpx.Response) -> dict[str, str] | None:
            if 'role="alert"' in page.text and accept:
                return None  # a wrong answer, or one that this user cannot give
            known = {
                "user_code": user_code,
                "login": upn,
                "passwd": password or user["password"],
                "otp": otp or user["otp"],
                "consent": "accept" if accept else "cancel",
            }
            return {name: value for name, value in known.items() if name in form.names}

        return fill

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()
        self._process.stop()
        self._folder.cleanup()
