"""MSAL Python, unchanged, against the emulator: what Microsoft's own client makes of our picture of Entra.

The only options used are MSAL's public ones: `verify` for the authority of the certificates, and `instance_discovery`, because
the emulator is no host that the real Entra would vouch for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msal
import pytest

from harness.emulator import Emulator

GRAPH = ["https://graph.microsoft.com/.default"]
PARTNER_CENTER = ["https://api.partnercenter.microsoft.com/.default"]
ARM = ["https://management.azure.com//.default"]
REDIRECT = "http://localhost:49153/callback"


def confidential(emulator: Emulator, tenant: str, **other: Any) -> msal.ConfidentialClientApplication:
    app = emulator.app("cpv")
    return msal.ConfidentialClientApplication(
        app["client_id"],
        client_credential=other.pop("secret", app["client_secret"]),
        authority=f"{emulator.authority}/{tenant}",
        instance_discovery=False,
        verify=str(emulator.ca_file),
        **other,
    )


def public(emulator: Emulator) -> msal.PublicClientApplication:
    return msal.PublicClientApplication(
        emulator.app("public")["client_id"],
        authority=f"{emulator.authority}/{emulator.tenant()['id']}",
        instance_discovery=False,
        verify=str(emulator.ca_file),
    )


def good(result: dict[str, Any]) -> dict[str, Any]:
    assert "access_token" in result, f"{result.get('error')}: {result.get('error_description')}"
    return result


def signed_in(emulator: Emulator, client: msal.ConfidentialClientApplication, scopes: list[str]) -> dict[str, Any]:
    """The authorization code flow as MSAL does it: state, PKCE, a hashed nonce, and the reply checked by MSAL itself."""
    flow = client.initiate_auth_code_flow(scopes, redirect_uri=REDIRECT, prompt="login", response_mode="form_post")
    reply = emulator.sign_in(flow["auth_uri"])
    result: dict[str, Any] = client.acquire_token_by_auth_code_flow(flow, reply.fields)
    return result


def test_the_code_flow_gives_tokens_that_msal_accepts(emulator: Emulator) -> None:
    client = confidential(emulator, "organizations")
    result = good(signed_in(emulator, client, GRAPH))
    assert result["id_token_claims"]["tid"] == emulator.tenant()["id"]
    assert result["id_token_claims"]["preferred_username"] == "admin@fabrikam.com"
    assert client.get_accounts()[0]["username"] == "admin@fabrikam.com"


@pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended")
def test_a_reply_in_the_query_is_accepted_too(emulator: Emulator) -> None:
    client = confidential(emulator, emulator.tenant()["id"])
    flow = client.initiate_auth_code_flow(GRAPH, redirect_uri=REDIRECT, response_mode="query")
    reply = emulator.sign_in(flow["auth_uri"])
    assert reply.method == "get"
    good(client.acquire_token_by_auth_code_flow(flow, reply.fields))


def test_a_wrong_verifier_is_refused(emulator: Emulator) -> None:
    client = confidential(emulator, "organizations")
    flow = client.initiate_auth_code_flow(GRAPH, redirect_uri=REDIRECT, response_mode="form_post")
    reply = emulator.sign_in(flow["auth_uri"])
    flow["code_verifier"] = "a-verifier-of-somebody-else-that-is-long-enough-to-be-one"
    result = client.acquire_token_by_auth_code_flow(flow, reply.fields)
    assert result["error"] == "invalid_grant"


def test_a_token_that_is_still_good_comes_from_the_cache(emulator: Emulator) -> None:
    client = confidential(emulator, "organizations")
    first = good(signed_in(emulator, client, GRAPH))
    before = len(emulator.requests())
    again = client.acquire_token_silent(GRAPH, account=client.get_accounts()[0])
    assert again is not None
    assert good(again)["access_token"] == first["access_token"]
    assert len(emulator.requests()) == before


def test_one_sign_in_gives_a_token_for_every_audience_consented_to(emulator: Emulator) -> None:
    client = confidential(emulator, "organizations")
    good(signed_in(emulator, client, PARTNER_CENTER))
    good(signed_in(emulator, client, GRAPH))
    account = client.get_accounts()[0]
    for scopes in (GRAPH, PARTNER_CENTER):
        result = client.acquire_token_silent(scopes, account=account, force_refresh=True)
        assert result is not None
        good(result)
    assert [each["grant_type"] for each in emulator.requests()].count("refresh_token") == 2


def test_a_refresh_token_works_at_a_customers_tenant(emulator: Emulator) -> None:
    """What the Secure Application Model is about: the partner's grant, redeemed at a customer."""
    grant = good(signed_in(emulator, confidential(emulator, "organizations"), GRAPH))["refresh_token"]
    customer = emulator.customer()["id"]
    result = good(confidential(emulator, customer).acquire_token_by_refresh_token(grant, GRAPH))
    assert result["id_token_claims"]["tid"] == customer
    assert emulator.requests()[-1]["tenant"] == customer


def test_a_revoked_grant_is_refused_with_entras_code(emulator: Emulator) -> None:
    client = confidential(emulator, "organizations")
    grant = good(signed_in(emulator, client, GRAPH))["refresh_token"]
    emulator.control(revoke={"upn": "admin@fabrikam.com"})
    result = client.acquire_token_by_refresh_token(grant, GRAPH)
    assert (result["error"], result["error_codes"]) == ("invalid_grant", [50173])


def test_client_credentials_give_a_token_for_the_app(emulator: Emulator) -> None:
    tenant = emulator.app("cpv")["tenant"]
    client = confidential(emulator, tenant)
    first = good(client.acquire_token_for_client(GRAPH))
    assert "refresh_token" not in first
    assert good(client.acquire_token_for_client(GRAPH))["access_token"] == first["access_token"]
    assert len(emulator.requests(grant_type="client_credentials")) == 1


def test_a_wrong_secret_is_refused_with_entras_code(emulator: Emulator) -> None:
    client = confidential(emulator, emulator.app("cpv")["tenant"], secret="wrong-secret")
    result = client.acquire_token_for_client(GRAPH)
    assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])


def test_a_device_code_waits_for_its_user(emulator: Emulator) -> None:
    client = public(emulator)
    flow = client.initiate_device_flow(GRAPH)
    assert flow.get("user_code"), flow
    pending = client.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)
    assert pending["error"] == "authorization_pending"
    emulator.enter_code(flow["verification_uri"], flow["user_code"])
    result = good(client.acquire_token_by_device_flow(flow))
    assert result["id_token_claims"]["preferred_username"] == "admin@fabrikam.com"
    assert client.acquire_token_silent(GRAPH, account=client.get_accounts()[0], force_refresh=True)


def test_a_user_who_says_no_ends_the_device_code(emulator: Emulator) -> None:
    client = public(emulator)
    flow = client.initiate_device_flow(PARTNER_CENTER)
    emulator.enter_code(flow["verification_uri"], flow["user_code"], accept=False)
    assert client.acquire_token_by_device_flow(flow)["error"] == "authorization_declined"


def test_a_throttled_client_waits_as_long_as_it_was_told(emulator: Emulator) -> None:
    """MSAL remembers a 429 with its Retry-After and does not ask again meanwhile: it has read the emulator's header."""
    emulator.control(fail={"path": "token", "times": 1, "status": 429, "headers": {"Retry-After": "3600"}})
    client = confidential(emulator, emulator.app("cpv")["tenant"])
    first = client.acquire_token_for_client(GRAPH)
    assert "access_token" not in first
    assert client.acquire_token_for_client(GRAPH) == first
    assert [each["status"] for each in emulator.requests()] == [429]


def by_certificate(emulator: Emulator, **credential: Any) -> dict[str, Any]:
    """A token for the app with this credential, and how the emulator saw it."""
    client = confidential(emulator, emulator.app("cpv")["tenant"], secret=credential)
    good(client.acquire_token_for_client(GRAPH))
    client.acquire_token_for_client(GRAPH, claims_challenge='{"access_token":{"nbf":{"essential":true,"value":"1"}}}')
    seen = emulator.requests(grant_type="client_credentials")
    assert [each["credential"] for each in seen] == ["certificate", "certificate"]
    assert seen[1]["assertion_reused"], "one assertion, signed once, is good for ten minutes"
    return seen[0]


def test_a_pem_certificate_proves_the_app_by_ps256(emulator: Emulator) -> None:
    certificate = emulator.app("cpv")["certificates"][0]
    pem = Path(certificate["pem_file"]).read_text()
    seen = by_certificate(emulator, private_key=pem, public_certificate=pem)
    assert seen["assertion_algorithm"] == "PS256"


def test_a_sha1_thumbprint_proves_the_app_by_rs256(emulator: Emulator) -> None:
    certificate = emulator.app("cpv")["certificates"][0]
    pem = Path(certificate["pem_file"]).read_text()
    seen = by_certificate(emulator, private_key=pem, thumbprint=certificate["thumbprint_sha1"])
    assert seen["assertion_algorithm"] == "RS256"


def test_an_encrypted_pfx_proves_the_app(emulator: Emulator) -> None:
    certificate = emulator.app("cpv")["certificates"][0]
    seen = by_certificate(
        emulator, private_key_pfx_path=certificate["pfx_file"], passphrase=certificate["pfx_passphrase"]
    )
    assert seen["assertion_algorithm"] == "PS256"


def test_a_certificate_of_another_app_is_refused_with_entras_code(emulator: Emulator) -> None:
    certificate = emulator.app("csp")["certificates"][0]
    other = {"private_key_pfx_path": certificate["pfx_file"], "passphrase": certificate["pfx_passphrase"]}
    client = confidential(emulator, emulator.app("cpv")["tenant"], secret=other)
    result = client.acquire_token_for_client(GRAPH)
    assert (result["error"], result["error_codes"]) == ("invalid_client", [700027])


def test_a_client_that_can_deal_with_challenges_gets_a_token_for_a_day(emulator: Emulator) -> None:
    client = confidential(emulator, emulator.app("cpv")["tenant"], client_capabilities=["CP1"])
    assert good(client.acquire_token_for_client(GRAPH))["expires_in"] == 24 * 3600


def test_claims_that_need_a_person_come_back_with_the_refusal(emulator: Emulator) -> None:
    """MSAL hands the claims of the refusal to its caller, who begins a sign-in with them."""
    client = confidential(emulator, "organizations")
    good(signed_in(emulator, client, GRAPH))
    claims = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
    emulator.control(claims_challenge={"audience": "graph", "claims": claims, "needs_person": True})
    account = client.get_accounts()[0]
    refused = client.acquire_token_silent_with_error(GRAPH, account=account, claims_challenge=json.dumps(claims))
    assert refused is not None
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [50076])
    flow = client.initiate_auth_code_flow(
        GRAPH, redirect_uri=REDIRECT, response_mode="form_post", claims_challenge=refused["claims"]
    )
    good(client.acquire_token_by_auth_code_flow(flow, emulator.sign_in(flow["auth_uri"]).fields))
