"""azure-identity, unchanged, against the emulator, with its public options only."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    AuthorizationCodeCredential,
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
)

from harness.emulator import Emulator

GRAPH = "https://graph.microsoft.com/.default"
CHALLENGE = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
"""What an API sends with its 401: the token must be asked for anew, past every cache."""
REDIRECT = "http://localhost:49154/callback"


def options(emulator: Emulator) -> dict[str, Any]:
    return {
        "authority": emulator.authority,
        "disable_instance_discovery": True,
        "connection_verify": str(emulator.ca_file),
    }


def secret_credential(emulator: Emulator, secret: str | None = None) -> ClientSecretCredential:
    app = emulator.app("cpv")
    return ClientSecretCredential(
        app["tenant"], app["client_id"], secret or app["client_secret"], retry_total=0, **options(emulator)
    )


def signed_in(emulator: Emulator) -> str:
    """An authorization code, got as a web application of a partner would get it."""
    query = {
        "client_id": emulator.app("cpv")["client_id"],
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": f"openid offline_access {GRAPH}",
        "state": "test-state",
    }
    tenant = emulator.tenant()["id"]
    return emulator.sign_in(f"{emulator.authority}/{tenant}/oauth2/v2.0/authorize?{urlencode(query)}").fields["code"]


def code_credential(emulator: Emulator, code: str, redirect: str = REDIRECT) -> AuthorizationCodeCredential:
    app = emulator.app("cpv")
    return AuthorizationCodeCredential(
        emulator.tenant()["id"],
        app["client_id"],
        code,
        redirect,
        client_secret=app["client_secret"],
        retry_total=0,
        **options(emulator),
    )


def test_a_client_secret_gives_one_token_from_then_on(emulator: Emulator) -> None:
    with secret_credential(emulator) as credential:
        first = credential.get_token(GRAPH)
        assert first.expires_on > time.time()
        assert credential.get_token(GRAPH).token == first.token
    assert len(emulator.requests(grant_type="client_credentials")) == 1


def test_token_info_has_the_same_token(emulator: Emulator) -> None:
    with secret_credential(emulator) as credential:
        info = credential.get_token_info(GRAPH)
        assert info.token_type == "Bearer"
        assert info.token == credential.get_token(GRAPH).token


def test_a_wrong_secret_is_an_authentication_error(emulator: Emulator) -> None:
    with (
        secret_credential(emulator, "wrong-secret") as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(GRAPH)


def test_a_code_is_redeemed_once_and_refreshed_after(emulator: Emulator) -> None:
    with code_credential(emulator, signed_in(emulator)) as credential:
        first = credential.get_token(GRAPH)
        assert credential.get_token(GRAPH).token == first.token
        assert credential.get_token(GRAPH, claims=CHALLENGE).token != first.token
    assert [each["grant_type"] for each in emulator.requests()] == ["authorization_code", "refresh_token"]


def test_a_code_that_was_used_is_refused(emulator: Emulator) -> None:
    code = signed_in(emulator)
    with code_credential(emulator, code) as credential:
        credential.get_token(GRAPH)
    with code_credential(emulator, code) as credential, pytest.raises(ClientAuthenticationError, match="AADSTS54005"):
        credential.get_token(GRAPH)


def test_a_code_for_another_redirect_is_refused(emulator: Emulator) -> None:
    elsewhere = code_credential(emulator, signed_in(emulator), "http://localhost:49154/another")
    with elsewhere as credential, pytest.raises(ClientAuthenticationError, match="AADSTS"):
        credential.get_token(GRAPH)


def test_consent_that_was_withdrawn_is_refused(emulator: Emulator) -> None:
    with code_credential(emulator, signed_in(emulator)) as credential:
        credential.get_token(GRAPH)
        emulator.control(consent={"tenant": "fabrikam.com", "resource": "graph", "granted": False})
        with pytest.raises(ClientAuthenticationError, match="AADSTS65001"):
            credential.get_token(GRAPH, claims=CHALLENGE)


@pytest.mark.parametrize("form", ["pem", "pfx"])
def test_a_certificate_file_gives_a_token(emulator: Emulator, form: str) -> None:
    app = emulator.app("cpv")
    certificate = app["certificates"][0]
    password = certificate["pfx_passphrase"] if form == "pfx" else None
    file = certificate[f"{form}_file"]
    with CertificateCredential(
        app["tenant"], app["client_id"], file, password=password, retry_total=0, **options(emulator)
    ) as credential:
        first = credential.get_token(GRAPH)
        assert credential.get_token(GRAPH).token == first.token
    assert [each["credential"] for each in emulator.requests()] == ["certificate"]


def test_a_federated_assertion_stands_for_the_app(emulator: Emulator) -> None:
    app = emulator.app("cpv")
    with ClientAssertionCredential(
        app["tenant"], app["client_id"], emulator.federated_token, retry_total=0, **options(emulator)
    ) as credential:
        credential.get_token(GRAPH)
    assert [each["credential"] for each in emulator.requests()] == ["federated"]
