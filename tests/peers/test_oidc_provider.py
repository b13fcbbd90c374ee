"""The peer server by itself, driven by plain HTTP: what our client is held against later is known to hold first."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from harness import canary
from harness.oidc_provider import OidcProvider

pytestmark = pytest.mark.needs("oidc-provider")

REDIRECT = "http://127.0.0.1:49152/callback"
GRAPH = "https://graph.test/"
PARTNER_CENTER = "https://partner-center.test/"
SCOPES = "openid offline_access graph.read user_impersonation"


@pytest.fixture
def http(oidc_provider: OidcProvider) -> Iterator[httpx.Client]:
    with oidc_provider.http() as client:
        yield client


class Attempt:
    """One authorization request with its own verifier and state."""

    def __init__(self, peer: OidcProvider, *, pkce: bool = True, **other: str) -> None:
        self.peer = peer
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(16)
        self.nonce = secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": peer.client["client_id"],
            "response_type": "code",
            "redirect_uri": REDIRECT,
            "scope": SCOPES,
            "state": self.state,
            "nonce": self.nonce,
            **({"code_challenge": challenge, "code_challenge_method": "S256"} if pkce else {}),
            **other,
        }
        self.url = (
            f"{peer.issuer}/auth?{urlencode(query)}&{urlencode({'resource': [GRAPH, PARTNER_CENTER]}, doseq=True)}"
        )

    def answer(self, **how: str) -> dict[str, str]:
        """The parameters with which the browser comes back."""
        back = self.peer.sign_in(self.url, **how)
        assert back.url.partition("?")[0] == REDIRECT
        return back.fields

    def redeem(self, http: httpx.Client, code: str, **other: str) -> httpx.Response:
        return token(
            http,
            self.peer,
            grant_type="authorization_code",
            code=code,
            redirect_uri=REDIRECT,
            **{"code_verifier": self.verifier, "resource": GRAPH, **other},
        )


def token(http: httpx.Client, peer: OidcProvider, **fields: str) -> httpx.Response:
    answer = http.post("/token", data={**peer.client, **fields})
    if answer.is_success:
        canary.know("oidc-provider", *(answer.json().get(name, "") for name in ("refresh_token", "access_token")))
    return answer


def refresh(http: httpx.Client, peer: OidcProvider, refresh_token: str, **other: str) -> httpx.Response:
    return token(http, peer, grant_type="refresh_token", refresh_token=refresh_token, **other)


def claims(jwt: str) -> dict[str, Any]:
    body = jwt.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def error(answer: httpx.Response) -> str:
    assert answer.status_code in (400, 401), answer.text
    found: str = answer.json()["error"]
    return found


def granted(peer: OidcProvider, http: httpx.Client) -> dict[str, Any]:
    attempt = Attempt(peer)
    answer = attempt.redeem(http, attempt.answer()["code"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_metadata_names_the_endpoints_on_the_same_host(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    metadata = http.get("/.well-known/openid-configuration").json()
    assert metadata["issuer"] == oidc_provider.issuer
    assert metadata["authorization_response_iss_parameter_supported"] is True
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "device_authorization_endpoint"):
        assert metadata[name].startswith(f"{oidc_provider.issuer}/"), name


def test_a_code_with_pkce_gives_tokens_for_the_resource(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    attempt = Attempt(oidc_provider)
    back = attempt.answer()
    assert back["state"] == attempt.state
    assert back["iss"] == oidc_provider.issuer
    tokens = attempt.redeem(http, back["code"]).json()
    assert claims(tokens["access_token"])["aud"] == GRAPH
    assert claims(tokens["access_token"])["amr"] == ["pwd", "mfa"]
    assert claims(tokens["id_token"])["nonce"] == attempt.nonce
    assert tokens["refresh_token"]


def test_a_request_without_pkce_is_refused(oidc_provider: OidcProvider) -> None:
    assert Attempt(oidc_provider, pkce=False).answer()["error"] == "invalid_request"


def test_a_wrong_verifier_is_refused(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    attempt = Attempt(oidc_provider)
    wrong = attempt.redeem(http, attempt.answer()["code"], code_verifier=secrets.token_urlsafe(48))
    assert error(wrong) == "invalid_grant"


def test_a_redirect_that_was_not_registered_gets_no_redirect(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    answer = http.get(Attempt(oidc_provider, redirect_uri="https://elsewhere.test/callback").url)
    assert answer.status_code == 400
    assert "redirect_uri" in answer.text


def test_a_wrong_password_signs_nobody_in(oidc_provider: OidcProvider) -> None:
    with pytest.raises(AssertionError, match="sign-in went no further"):
        Attempt(oidc_provider).answer(password="wrong-password")


def test_a_user_can_say_no(oidc_provider: OidcProvider) -> None:
    assert Attempt(oidc_provider).answer(answer="no")["error"] == "access_denied"


def test_a_code_works_once_and_its_replay_ends_the_grant(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    attempt = Attempt(oidc_provider)
    code = attempt.answer()["code"]
    first = attempt.redeem(http, code).json()
    assert error(attempt.redeem(http, code)) == "invalid_grant"
    assert error(refresh(http, oidc_provider, first["refresh_token"], resource=GRAPH)) == "invalid_grant"


def test_one_grant_gives_a_token_for_each_resource(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    tokens = granted(oidc_provider, http)
    other = refresh(http, oidc_provider, tokens["refresh_token"], resource=PARTNER_CENTER).json()
    assert claims(other["access_token"])["aud"] == PARTNER_CENTER
    assert claims(other["access_token"])["scope"] == "user_impersonation"


def test_refresh_rotates_and_reuse_ends_the_family(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    old = granted(oidc_provider, http)["refresh_token"]
    new = refresh(http, oidc_provider, old, resource=GRAPH).json()["refresh_token"]
    assert new != old
    assert error(refresh(http, oidc_provider, old, resource=GRAPH)) == "invalid_grant"
    assert error(refresh(http, oidc_provider, new, resource=GRAPH)) == "invalid_grant"


def test_an_unknown_resource_is_refused(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    answer = refresh(http, oidc_provider, granted(oidc_provider, http)["refresh_token"], resource="https://other.test/")
    assert error(answer) == "invalid_target"


def test_a_secret_that_was_not_escaped_is_not_the_secret(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    """The sample secret has + and & and % in it: a client that pastes it into a form sends another one."""
    assert set("+&%") <= set(oidc_provider.client["client_secret"])
    pasted = "&".join(f"{name}={value}" for name, value in oidc_provider.client.items())
    answer = http.post(
        "/token",
        content=f"grant_type=client_credentials&resource={GRAPH}&{pasted}",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert error(answer) in ("invalid_client", "invalid_request")


def test_client_credentials_give_a_token_for_the_resource(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    tokens = token(http, oidc_provider, grant_type="client_credentials", resource=GRAPH, scope="graph.read").json()
    assert claims(tokens["access_token"])["aud"] == GRAPH
    assert "refresh_token" not in tokens


def test_a_device_code_waits_for_its_user(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    asked = http.post("/device/auth", data={**oidc_provider.client, "scope": SCOPES, "resource": GRAPH}).json()
    poll = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": asked["device_code"]}
    assert error(token(http, oidc_provider, **poll)) == "authorization_pending"
    assert "Signed in" in oidc_provider.enter_code(asked["verification_uri"], asked["user_code"])
    tokens = token(http, oidc_provider, **poll, resource=GRAPH).json()
    assert claims(tokens["access_token"])["aud"] == GRAPH
    assert tokens["refresh_token"]


def test_revocation_ends_the_refresh_token(oidc_provider: OidcProvider, http: httpx.Client) -> None:
    old = granted(oidc_provider, http)["refresh_token"]
    assert http.post("/token/revocation", data={**oidc_provider.client, "token": old}).status_code == 200
    assert error(refresh(http, oidc_provider, old, resource=GRAPH)) == "invalid_grant"


def test_the_record_shows_each_redemption() -> None:
    with OidcProvider(access_token_seconds=7) as peer, peer.http() as http:
        tokens = granted(peer, http)
        refresh(http, peer, tokens["refresh_token"], resource=GRAPH)
        assert [(each["grant_type"], each["status"]) for each in peer.requests()] == [
            ("authorization_code", 200),
            ("refresh_token", 200),
        ]
        life = claims(tokens["access_token"])
        assert life["exp"] - life["iat"] == 7
        assert life["exp"] > time.time() - 60
