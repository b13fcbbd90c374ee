"""Consent from Python: the link, the reply in each form that web frameworks give, MFA, device code, import."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from python.partner import REDIRECT, consent, open_app, redemptions

from harness import canary
from harness.emulator import Emulator
from partnersam import CallerError, IdentityError, PartnerApp, PartnerSamError, Token


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        yield opened


def test_one_consent_gives_a_grant_and_a_token_for_each_audience(emulator: Emulator, app: PartnerApp) -> None:
    before = int(time.time())
    link = app.begin_consent(
        "fabrikam.com", ("partner-center", "graph", "arm"), redirect_uri=REDIRECT, purpose="report"
    )
    asked = parse_qs(urlsplit(link.url).query)
    assert asked["state"] == [link.state]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["prompt"] == ["login"]
    assert link.partner == emulator.tenant()["id"]
    assert before + 3600 <= link.expires_on <= time.time() + 3600
    consented = app.complete_consent(emulator.sign_in(link.url).fields)
    assert (consented.partner, consented.name) == (link.partner, "fabrikam.com")
    assert (consented.user_name, consented.mfa, consented.taints) == ("admin@fabrikam.com", "yes", [])
    assert "mfa" in consented.amr
    assert list(consented.audiences) == ["partner-center", "graph", "arm"]
    for token in consented.audiences.values():
        assert isinstance(token, Token)
    (grant,) = app.grants()
    assert (grant.partner, grant.name, grant.user_name) == (link.partner, "fabrikam.com", "admin@fabrikam.com")
    assert (grant.mfa, grant.state, grant.dead_on, grant.dead_reason) == ("yes", "active", None, None)
    assert (grant.purpose, grant.audiences) == ("report", ["partner-center", "graph", "arm"])
    assert grant.expires_on == consented.expires_on > grant.renew_after > grant.consented_on >= before
    assert app.grant("FABRIKAM.com").generation == grant.generation


@pytest.mark.parametrize("form", ["body", "bytes", "mapping", "address"])
def test_the_reply_is_taken_as_it_comes(emulator: Emulator, app: PartnerApp, form: str) -> None:
    mode = "query" if form == "address" else "form_post"
    link = app.begin_consent("fabrikam.com", redirect_uri=REDIRECT, response_mode=mode)
    reply = emulator.sign_in(link.url)
    body = urlencode(reply.fields)
    forms: dict[str, str | bytes | Mapping[str, str]] = {
        "body": body,
        "bytes": body.encode(),
        "mapping": reply.fields,
        "address": f"{REDIRECT}?{body}",
    }
    given = forms[form]
    assert app.complete_consent(given).mfa == "yes"
    with pytest.raises(IdentityError) as again:
        app.complete_consent(given)
    assert again.value.id == "ConsentStateUnknown"


def test_a_sign_in_without_mfa_is_not_stored_unless_asked_by_name(emulator: Emulator, app: PartnerApp) -> None:
    emulator.control(mfa=False)
    link = app.begin_consent("fabrikam.com", redirect_uri=REDIRECT)
    with pytest.raises(IdentityError) as refused:
        app.complete_consent(emulator.sign_in(link.url).fields)
    assert (refused.value.id, refused.value.actor) == ("MfaNotProved", "service_account_owner")
    assert refused.value.context["partner"] == "fabrikam.com"
    assert app.grants() == []
    link = app.begin_consent("fabrikam.com", redirect_uri=REDIRECT)
    consented = app.complete_consent(emulator.sign_in(link.url).fields, allow_without_mfa=True)
    assert (consented.mfa, consented.taints) == ("no", ["without_mfa"])


def test_an_audience_that_does_not_come_says_why(emulator: Emulator, app: PartnerApp) -> None:
    emulator.control(
        error_for={"audience": "arm", "error": "invalid_grant", "error_codes": [65001], "suberror": "consent_required"}
    )
    consented = consent(emulator, app)
    assert isinstance(consented.audiences["graph"], Token)
    refused = consented.audiences["arm"]
    assert isinstance(refused, PartnerSamError)
    assert (refused.category, refused.entra_codes, refused.suberror) == ("identity", [65001], "consent_required")
    assert "graph" in repr(consented.audiences)


def test_a_person_who_declines_is_told_apart(emulator: Emulator, app: PartnerApp) -> None:
    link = app.begin_consent("fabrikam.com", redirect_uri=REDIRECT)
    with pytest.raises(IdentityError) as declined:
        app.complete_consent(emulator.sign_in(link.url, accept=False).fields)
    assert declined.value.id == "ConsentDeclined"


def test_the_account_of_another_tenant_cannot_complete_a_link(emulator: Emulator, app: PartnerApp) -> None:
    link = app.begin_consent("fabrikam.com", redirect_uri=REDIRECT)
    with pytest.raises((PartnerSamError, AssertionError)):
        app.complete_consent(emulator.sign_in(link.url, "admin@northwind.example").fields)
    assert app.grants() == []


def test_device_code(emulator: Emulator, app: PartnerApp) -> None:
    device = app.begin_device_consent("fabrikam.com", ["graph"])
    canary.know("the emulator", device.user_code)
    assert device.user_code in repr(device)
    assert device.expires_on > time.time()
    person = Thread(target=emulator.enter_code, args=(device.verification_uri, device.user_code))
    person.start()
    consented = app.complete_device_consent(device)
    person.join()
    assert consented.taints == ["device_code"]
    with pytest.raises(CallerError, match="completed before"):
        app.complete_device_consent(device)


def test_a_refresh_token_from_elsewhere_is_proved_before_it_is_stored(emulator: Emulator, app: PartnerApp) -> None:
    with pytest.raises(PartnerSamError):
        app.import_grant("fabrikam.com", "0.emu-not-a-token-of-this-service")
    assert app.grants() == []
    grant = _refresh_token(emulator)
    canary.know("the emulator", grant)
    before = redemptions(emulator)
    consented = app.import_grant("fabrikam.com", grant, audiences=["partner-center", "graph"], purpose="billing")
    assert redemptions(emulator) > before
    assert (consented.mfa, consented.taints) == ("yes", ["imported"])
    assert [(each.taints, each.purpose) for each in app.grants()] == [(["imported"], "billing")]


def _refresh_token(emulator: Emulator) -> str:
    """What another client of the same app has: obtained by MSAL."""
    import msal

    client = msal.ConfidentialClientApplication(
        emulator.app()["client_id"],
        client_credential=emulator.app()["client_secret"],
        authority=f"{emulator.authority}/organizations",
        instance_discovery=False,
        verify=str(emulator.ca_file),
    )
    flow = client.initiate_auth_code_flow(
        ["https://api.partnercenter.microsoft.com/.default"], redirect_uri=REDIRECT, prompt="login"
    )
    found: str = client.acquire_token_by_auth_code_flow(flow, emulator.sign_in(flow["auth_uri"]).fields)[
        "refresh_token"
    ]
    return found


def test_arguments_that_cannot_be_right_are_refused_before_anything_is_sent(
    app: PartnerApp, emulator: Emulator
) -> None:
    for partner in ("", "not a tenant", "common", "fabrikam.com/../other"):
        with pytest.raises(CallerError, match="not a tenant"):
            app.begin_consent(partner)
    with pytest.raises(CallerError, match="redirect_uri"):
        app.begin_consent("fabrikam.com", redirect_uri="not an address")
    with pytest.raises(CallerError, match="response_mode"):
        app.begin_consent("fabrikam.com", redirect_uri=REDIRECT, response_mode="fragment")
    with pytest.raises(CallerError, match="not an audience"):
        app.begin_consent("fabrikam.com", ["grph"], redirect_uri=REDIRECT)
    with pytest.raises(TypeError, match="several names"):
        app.begin_consent("fabrikam.com", "graph", redirect_uri=REDIRECT)
    with pytest.raises(TypeError):
        app.complete_consent(42)  # type: ignore[arg-type]
    assert emulator.requests() == []


def test_a_code_is_not_sent_over_a_connection_that_the_server_has_closed(emulator: Emulator, app: PartnerApp) -> None:
    """Nobody looks at the connection while the person signs in; a code that is sent into it is lost, for it is good for one attempt."""
    link = app.begin_consent("fabrikam.com", ("graph",), redirect_uri=REDIRECT)
    reply = emulator.sign_in(link.url).fields
    emulator.close_connections()
    emulator.forget_requests()
    assert app.complete_consent(reply).user_name == "admin@fabrikam.com"
    assert len(emulator.requests(grant_type="authorization_code")) == 1
