"""A 401 that asks for claims: requests and httpx send the request once more with a token that satisfies them, or raise what the caller must know."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import requests
from python.partner import GRAPH, consent, open_app, redemptions

import partnersam.aio
from harness.emulator import Emulator
from partnersam import CallerError, IdentityError, PartnerApp, TransportError

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}'
Call = Callable[..., Any]


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        opened.token("fabrikam.com", "graph")
        emulator.forget_requests()
        yield opened


def header(claims: str = CLAIMS) -> str:
    encoded = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    return f'Bearer realm="", error="insufficient_claims", claims="{encoded}"'


def challenge(emulator: Emulator, times: int = 1, status: int = 401, **headers: str) -> None:
    headers = headers or {"WWW-Authenticate": header()}
    emulator.control(fail={"path": "graph", "times": times, "status": status, "headers": headers})


def by_requests(emulator: Emulator, app: PartnerApp, **options: Any) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(emulator.ca_file)
        method = "POST" if options else "GET"
        url = f"{emulator.ready['graph']}/v1.0/organization"
        return session.request(method, url, auth=app.credential("fabrikam.com").auth("graph"), **options)


def by_httpx(emulator: Emulator, app: PartnerApp, **options: Any) -> Any:
    with httpx.Client(verify=emulator.tls(), trust_env=False) as client:
        method = "POST" if options else "GET"
        url = f"{emulator.ready['graph']}/v1.0/organization"
        return client.request(method, url, auth=app.credential("fabrikam.com").auth("graph"), **options)


def by_httpx_async(emulator: Emulator, app: PartnerApp, **options: Any) -> Any:
    async def call() -> Any:
        credential = partnersam.aio.PartnerApp(app).credential("fabrikam.com")
        async with httpx.AsyncClient(verify=emulator.tls(), trust_env=False) as client:
            method = "POST" if options else "GET"
            url = f"{emulator.ready['graph']}/v1.0/organization"
            return await client.request(method, url, auth=credential.auth("graph"), **options)

    return asyncio.run(call())


def by_httpx_async_with_the_other_credential(emulator: Emulator, app: PartnerApp, **options: Any) -> Any:
    async def call() -> Any:
        async with httpx.AsyncClient(verify=emulator.tls(), trust_env=False) as client:
            method = "POST" if options else "GET"
            url = f"{emulator.ready['graph']}/v1.0/organization"
            return await client.request(method, url, auth=app.credential("fabrikam.com").auth("graph"), **options)

    return asyncio.run(call())


CLIENTS = [by_requests, by_httpx, by_httpx_async, by_httpx_async_with_the_other_credential]


@pytest.mark.parametrize("call", CLIENTS)
@pytest.mark.parametrize("status", [401, 403])
def test_a_challenge_is_met_once(emulator: Emulator, app: PartnerApp, call: Call, status: int) -> None:
    before = app.token("fabrikam.com", "graph").token
    challenge(emulator, 1, status)
    answer = call(emulator, app)
    assert answer.status_code == 200
    assert redemptions(emulator) == 1
    after = app.token("fabrikam.com", "graph").token
    assert before != after
    assert answer.request.headers["Authorization"] == f"Bearer {after}"
    challenge(emulator, 9, status)
    assert call(emulator, app).status_code == status
    assert redemptions(emulator) == 2


@pytest.mark.parametrize("call", CLIENTS)
def test_an_answer_without_a_challenge_is_the_caller_s(emulator: Emulator, app: PartnerApp, call: Call) -> None:
    for headers in (
        {"WWW-Authenticate": 'Bearer realm=""'},
        {"WWW-Authenticate": 'Bearer claims="not base64!"'},
        {"X-Other": header()},
    ):
        challenge(emulator, 1, **headers)
        assert call(emulator, app).status_code == 401
    challenge(emulator, 1, 400)
    assert call(emulator, app).status_code == 400
    assert redemptions(emulator) == 0


@pytest.mark.parametrize("call", CLIENTS)
def test_where_a_person_is_needed_the_caller_is_told_with_the_claims(
    emulator: Emulator, app: PartnerApp, call: Call
) -> None:
    challenge(emulator)
    emulator.control(error_for={"audience": "graph", "error": "interaction_required", "error_codes": [50076]})
    with pytest.raises(IdentityError) as refused:
        call(emulator, app)
    assert refused.value.id == "MfaRequired"
    assert refused.value.claims == CLAIMS
    assert f"`partnersam consent fabrikam.com --for partner-center,graph,arm --claims '{CLAIMS}'`" in refused.value.hint
    assert refused.value.hint.startswith("the owner of the partner's service account: ")


@pytest.mark.parametrize("call", CLIENTS)
def test_a_body_is_sent_again(emulator: Emulator, app: PartnerApp, call: Call) -> None:
    challenge(emulator)
    body = {"data" if call is by_requests else "content": b"x" * 10_000}
    answer = call(emulator, app, **body)
    # Nothing there takes a body: that it is not the challenge says that the second request was answered.
    assert answer.status_code not in (200, 401)
    assert answer.request.headers["Content-Length"] == "10000"
    assert redemptions(emulator) == 1


FORMS = ["base64", "base64url", "several_headers", "one_header", "odd"]


@pytest.mark.parametrize("call", CLIENTS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_challenge_is_met_until_the_service_has_what_it_wants(
    emulator: Emulator, app: PartnerApp, call: Call, form: str
) -> None:
    wanted = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
    emulator.control(claims_challenge={"audience": "graph", "claims": wanted, "form": form})
    assert call(emulator, app).status_code == 200
    assert call(emulator, app).status_code == 200
    assert redemptions(emulator) == 1


@pytest.mark.parametrize("call", CLIENTS)
def test_a_revoked_sign_in_ends_a_long_token_and_a_person_mends_it(
    emulator: Emulator, app: PartnerApp, call: Call
) -> None:
    assert app.token("fabrikam.com", "graph").expires_on > time.time() + 20 * 3600, "cp1 gives tokens that live long"
    assert call(emulator, app).status_code == 200
    emulator.control(revoke={"upn": "admin@fabrikam.com"})
    with pytest.raises(IdentityError) as refused:
        call(emulator, app)
    assert refused.value.id == "GrantRevoked"
    consent(emulator, app)
    assert call(emulator, app).status_code == 200


@pytest.mark.parametrize("call", CLIENTS)
def test_the_error_s_link_is_the_way_back(emulator: Emulator, home: Path, call: Call) -> None:
    redirect = "https://vendor.example/consent/callback"
    with open_app(emulator, home, redirect_uri=redirect) as app:
        consent(emulator, app)
        wanted = {"access_token": {"acrs": {"essential": True, "value": "c1"}}}
        emulator.control(claims_challenge={"audience": "graph", "claims": wanted, "needs_person": True})
        with pytest.raises(IdentityError) as refused:
            call(emulator, app)
        assert refused.value.id == "MfaRequired"
        assert json.loads(refused.value.claims or "") == wanted
        link = refused.value.context["consent_link"]
        app.complete_consent(emulator.sign_in(link, "admin@fabrikam.com").fields)
        assert call(emulator, app).status_code == 200


def test_a_file_is_rewound_and_what_cannot_be_is_not_sent_again(emulator: Emulator, app: PartnerApp) -> None:
    file = io.BytesIO(b"skipped" + b"x" * 10_000)
    file.seek(7)
    challenge(emulator)
    answer = by_requests(emulator, app, data=file)
    assert answer.status_code != 401
    assert answer.request.headers["Content-Length"] == "10000"
    assert [each.status_code for each in answer.history] == [401]
    challenge(emulator)
    assert by_requests(emulator, app, data=(part for part in [b"a", b"b"])).status_code == 401
    challenge(emulator)
    assert by_httpx(emulator, app, content=(part for part in [b"a", b"b"])).status_code == 401
    assert redemptions(emulator) == 1


def test_a_prepared_request_is_watched_as_well(emulator: Emulator, app: PartnerApp) -> None:
    challenge(emulator)
    auth = app.credential("fabrikam.com").auth("graph")
    prepared = requests.Request("GET", f"{emulator.ready['graph']}/v1.0/organization", auth=auth).prepare()
    with requests.Session() as session:
        assert session.send(prepared, verify=str(emulator.ca_file)).status_code == 200


def test_a_redirect_elsewhere_takes_no_token_along(emulator: Emulator, app: PartnerApp) -> None:
    elsewhere = f"{emulator.ready['arm']}/tenants?api-version=2022-12-01"
    graph = {"path": "graph", "times": 1, "status": 302, "headers": {"Location": elsewhere}}
    arm = {"path": "arm", "times": 1, "status": 401, "headers": {"WWW-Authenticate": header()}}
    emulator.control(fail=[graph, arm])
    answer = by_requests(emulator, app)
    assert (answer.status_code, answer.url) == (401, elsewhere)
    assert "Authorization" not in answer.request.headers
    assert redemptions(emulator) == 0


def test_httpx_may_be_imported_later_and_is_not_imported_for_us(emulator: Emulator, app: PartnerApp) -> None:
    auth = app.credential("fabrikam.com").auth("graph")
    assert isinstance(auth, httpx.Auth)
    assert isinstance(auth, partnersam.Auth)
    assert type(auth) is partnersam.Auth
    assert callable(auth)


def test_a_token_takes_a_challenge_as_it_came(emulator: Emulator, app: PartnerApp) -> None:
    before = app.token("fabrikam.com", "graph").token
    for claims in (CLAIMS, header(), f"Basic realm=x, {header()}"):
        assert app.token("fabrikam.com", "graph", claims=claims).token != before
    assert (
        app.credential("fabrikam.com").get_token("https://graph.microsoft.com/.default", claims=header())[0] != before
    )
    assert redemptions(emulator) == 4
    for claims in ("[]", "e30=", "Bearer", "hidden-word"):
        with pytest.raises(CallerError) as refused:
            app.token("fabrikam.com", "graph", claims=claims)
        assert refused.value.id == "InvalidArgument"
        assert "hidden-word" not in json.dumps(refused.value.to_dict())


def test_azure_core_s_own_policy_meets_a_challenge_with_this_credential(emulator: Emulator, app: PartnerApp) -> None:
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy
    from azure.core.rest import HttpRequest

    emulator.control(claims_challenge={"audience": "graph", "claims": json.loads(CLAIMS), "form": "base64"})
    policy = BearerTokenCredentialPolicy(app.credential("fabrikam.com"), GRAPH)
    with PipelineClient(emulator.ready["graph"], policies=[policy], connection_verify=str(emulator.ca_file)) as client:
        answer = client.send_request(HttpRequest("GET", f"{emulator.ready['graph']}/v1.0/organization"))
    assert answer.status_code == 200
    assert redemptions(emulator) == 1


def test_a_link_may_be_made_with_claims(app: PartnerApp) -> None:
    link = app.begin_consent("fabrikam.com", ["graph"], "https://vendor.example/consent/callback", claims=CLAIMS)
    asked = json.loads(parse_qs(urlsplit(link.url).query)["claims"][0])
    assert asked["access_token"]["nbf"] == {"essential": True, "value": "1700000000"}
    assert asked["access_token"]["xms_cc"] == {"values": ["cp1"]}


def test_the_check_of_the_host_comes_first(emulator: Emulator, app: PartnerApp) -> None:
    auth = app.credential("fabrikam.com").auth("graph")
    with httpx.Client(verify=emulator.tls(), trust_env=False) as client, pytest.raises(TransportError):
        client.get(f"{emulator.ready['arm']}/tenants", auth=auth)
