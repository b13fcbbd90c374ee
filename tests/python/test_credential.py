"""The credential as azure clients use it."""

from __future__ import annotations

import json
import pickle
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core import PipelineClient
from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo, TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline import Pipeline
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from python.partner import ARM, GRAPH, answer, consent, environment, open_app, redemptions

from harness.emulator import Emulator
from partnersam import CallerError, Credential, IdentityError, PartnerApp


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        yield opened


def test_it_is_what_azure_clients_ask_for(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com", customer="contoso.com")
    assert isinstance(credential, TokenCredential)
    assert isinstance(credential, SupportsTokenInfo)
    token = credential.get_token(GRAPH)
    assert isinstance(token, AccessToken)
    text, expires_on = token
    assert (text, expires_on) == (token.token, token.expires_on)
    info = credential.get_token_info(GRAPH)
    assert isinstance(info, AccessTokenInfo)
    assert (info.token, info.expires_on, info.token_type) == (text, expires_on, "Bearer")
    assert info.refresh_on == app.token("fabrikam.com", "graph", "contoso.com").refresh_on
    with credential as same:
        assert same is credential
    assert credential.get_token(GRAPH) is token


def test_an_azure_client_calls_graph_with_it(emulator: Emulator, app: PartnerApp) -> None:
    policy = BearerTokenCredentialPolicy(app.credential("fabrikam.com", customer="contoso.com"), GRAPH)
    transport = RequestsTransport(connection_verify=str(emulator.ca_file))
    with PipelineClient(emulator.ready["graph"], pipeline=Pipeline(transport, [policy])) as client:
        reply = client.send_request(HttpRequest("GET", f"{emulator.ready['graph']}/v1.0/organization"))
    reply.raise_for_status()
    assert reply.json()["value"][0]["id"] == emulator.customer()["id"]


def test_what_it_hands_out_can_be_pickled_and_shows_nothing(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    token, info = credential.get_token(GRAPH), credential.get_token_info(GRAPH)
    again = pickle.loads(pickle.dumps(token))  # noqa: S301
    assert again == token
    assert isinstance(again, AccessToken)
    info_again = pickle.loads(pickle.dumps(info))  # noqa: S301
    assert (info_again.token, info_again.refresh_on) == (info.token, info.refresh_on)
    for thing in (token, info, again, info_again):
        assert token.token not in repr(thing) + str(thing)
        assert "***" in repr(thing)


def test_several_scopes_of_one_service_are_one_token(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    token = credential.get_token(
        "https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Directory.Read.All"
    )
    assert token.token == credential.get_token(GRAPH).token
    assert credential.get_token(GRAPH, "graph").token == token.token


@pytest.mark.parametrize(
    "scopes",
    [(), (GRAPH, ARM), ("User.Read",), ("https://graph.microsoft.com/User.Read", ARM), ("http://graph.microsoft.com",)],
)
def test_other_scopes_are_refused_before_anything_is_sent(
    emulator: Emulator, app: PartnerApp, scopes: tuple[str, ...]
) -> None:
    before = len(emulator.requests())
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        app.credential("fabrikam.com").get_token(*scopes)
    assert isinstance(raised.value, CallerError)
    assert raised.value.id == "InvalidArgument"
    assert len(emulator.requests()) == before


def test_scopes_that_are_no_texts_are_a_type_error(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    for scope in (None, 42, ["https://graph.microsoft.com/.default"]):
        with pytest.raises(TypeError):
            credential.get_token(scope)  # type: ignore[arg-type]


def test_a_tenant_of_somebodys_choice_is_not_followed(emulator: Emulator, app: PartnerApp) -> None:
    """azure clients pass on the tenant that a service's challenge names, and that may be anybody's."""
    own, customer = emulator.tenant()["id"], emulator.customer()["id"]
    cases: list[tuple[Credential, str]] = [
        (app.credential("fabrikam.com"), own),
        (app.credential("fabrikam.com", "contoso.com"), customer),
        (app.credential(), own),
    ]
    for credential, tenant in cases:
        token = credential.get_token(GRAPH).token
        assert credential.get_token(GRAPH, tenant_id=tenant).token == token
        assert credential.get_token(GRAPH, tenant_id="").token == token
        assert credential.get_token_info(GRAPH, options={"tenant_id": tenant.upper()}).token == token
        other = customer if tenant == own else own
        for named in (other, "tailspin.example"):
            with pytest.raises(CallerError, match="another tenant"):
                credential.get_token(GRAPH, tenant_id=named)
            with pytest.raises(CallerError, match="another tenant"):
                credential.get_token_info(GRAPH, options={"tenant_id": named})
    assert app.credential("fabrikam.com").get_token(GRAPH, tenant_id="fabrikam.com").token


def test_unknown_options_are_ignored_as_azures_protocol_wants(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    token = credential.get_token(GRAPH, enable_cae=True, something_new=object())
    assert token.token == credential.get_token(GRAPH).token
    assert credential.get_token_info(GRAPH, options={"enable_cae": True}).token == token.token
    with pytest.raises(TypeError):
        credential.get_token_info(GRAPH, options="no options")  # type: ignore[arg-type]


def test_a_refusal_is_azures_authentication_error_too(emulator: Emulator, app: PartnerApp) -> None:
    emulator.control(revoke={"upn": "admin@fabrikam.com"})
    with pytest.raises(ClientAuthenticationError) as raised:
        app.credential("fabrikam.com", "tailspin.example").get_token(GRAPH)
    assert isinstance(raised.value, IdentityError)
    assert raised.value.id == "GrantRevoked"
    assert raised.value.status_code == raised.value.http_status == 400


WITHOUT_AZURE = """
import json, pickle, sys
from partnersam import IdentityError, PartnerApp
scope = "https://graph.microsoft.com/.default"
app = PartnerApp.from_env()
credential = app.credential("fabrikam.com")
own = credential.get_token(scope)
info = credential.get_token_info(scope)
text, expires_on = own
assert (own.token, own.expires_on, own[0], len(own)) == (text, expires_on, text, 2)
assert (info.token, info.token_type) == (text, "Bearer") and info.refresh_on < info.expires_on
assert text not in repr(own) + repr(info) + str(own)
assert pickle.loads(pickle.dumps(own)) == own
try:
    app.token("northwind.example")
except IdentityError as error:
    plain = type(error).__mro__
loaded = sorted(name for name in sys.modules if name.split(".")[0] in ("azure", "msal", "requests", "httpx", "asyncio"))
from azure.core.credentials import AccessToken, AccessTokenInfo
now = credential.get_token(scope)
assert isinstance(now, AccessToken) and now == own and credential.get_token(scope) is now
assert isinstance(credential.get_token_info(scope), AccessTokenInfo)
print(json.dumps({"loaded": loaded, "plain": [each.__name__ for each in plain]}))
"""


def test_without_azure_it_gives_the_same_shape_and_loads_nothing(
    emulator: Emulator, app: PartnerApp, home: Path
) -> None:
    app.token("fabrikam.com", "graph")
    found = answer("without-azure", WITHOUT_AZURE, environment(emulator, home), home)
    assert found["loaded"] == []
    assert "ClientAuthenticationError" not in found["plain"]


def test_the_token_is_one_that_graph_takes(emulator: Emulator, app: PartnerApp) -> None:
    before = redemptions(emulator)
    token = app.credential("fabrikam.com").get_token(GRAPH).token
    request = urllib.request.Request(f"{emulator.ready['graph']}/v1.0/me", headers={"Authorization": f"Bearer {token}"})  # noqa: S310
    with urllib.request.urlopen(request, context=emulator.tls()) as reply:  # noqa: S310
        assert json.load(reply)["userPrincipalName"] == "admin@fabrikam.com"
    assert redemptions(emulator) == before
