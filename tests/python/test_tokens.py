"""Tokens from Python: by partner, customer and audience; kept, replaced, withdrawn; one redemption for many threads."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from python.partner import GRAPH, consent, open_app, redemptions

from harness.emulator import Emulator
from harness.process import Process
from partnersam import CallerError, IdentityError, PartnerApp, PartnerSamWarning, TransportError

THREADS = 64


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        yield opened


def test_a_token_says_what_is_known_of_it(emulator: Emulator, app: PartnerApp) -> None:
    partner, customer = emulator.tenant()["id"], emulator.customer()["id"]
    own = app.token("fabrikam.com", "graph")
    assert (own.partner, own.tenant, own.audience, own.mfa, own.warnings) == (partner, partner, "graph", "yes", [])
    # Long, because the app says that it understands claims challenges.
    assert time.time() < own.refresh_on < own.expires_on <= time.time() + 24 * 3600
    assert "https://graph.microsoft.com/User.Read" in own.scopes
    theirs = app.token("fabrikam.com", "graph", customer="contoso.com")
    assert (theirs.partner, theirs.tenant) == (partner, customer)
    assert theirs.token != own.token
    assert app.token(partner, GRAPH, customer).token == theirs.token


def test_the_partner_may_be_left_out_where_there_is_one(emulator: Emulator, app: PartnerApp) -> None:
    assert app.token().token == app.token("fabrikam.com", "graph").token
    assert app.credential().get_token(GRAPH).token == app.token().token
    consent(emulator, app, "northwind.example", "admin@northwind.example")
    for call in (app.token, lambda: app.credential().get_token(GRAPH)):
        with pytest.raises(CallerError) as raised:
            call()
        assert raised.value.id == "GrantAmbiguous"


def test_a_kept_token_costs_no_request_and_no_new_object(emulator: Emulator, app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com", "contoso.com")
    first, access = app.token("fabrikam.com", "graph", "contoso.com"), credential.get_token(GRAPH)
    before = len(emulator.requests())
    assert all(app.token("fabrikam.com", "graph", "contoso.com") is first for _ in range(100))
    assert all(credential.get_token(GRAPH) is access for _ in range(100))
    assert len(emulator.requests()) == before


def test_a_fresh_token_replaces_the_kept_one_everywhere(emulator: Emulator, app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    old, access = app.token("fabrikam.com", "graph"), credential.get_token(GRAPH)
    assert access.token == old.token
    before = redemptions(emulator)
    new = app.token("fabrikam.com", "graph", fresh=True)
    assert redemptions(emulator) == before + 1
    assert new.token != old.token
    assert app.token("fabrikam.com", "graph").token == new.token
    assert credential.get_token(GRAPH).token == new.token


def test_claims_pass_over_what_is_kept(emulator: Emulator, app: PartnerApp) -> None:
    challenge = '{"access_token":{"nbf":{"essential":true,"value":"1795300000"}}}'
    old = app.credential("fabrikam.com").get_token(GRAPH).token
    before = redemptions(emulator)
    new = app.credential("fabrikam.com").get_token(GRAPH, claims=challenge, enable_cae=True).token
    assert redemptions(emulator) == before + 1
    assert new != old
    assert app.token("fabrikam.com", "graph").token == new
    assert app.token("fabrikam.com", "graph", claims=challenge).token not in (old, new)


def test_a_revoked_grant_gives_no_token_that_was_kept(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    credential.get_token(GRAPH)
    app.token("fabrikam.com", "graph")
    assert app.revoke("fabrikam.com") is True
    assert app.revoke("fabrikam.com") is False
    for call in (lambda: app.token("fabrikam.com", "graph"), lambda: credential.get_token(GRAPH)):
        with pytest.raises(IdentityError) as raised:
            call()
        assert raised.value.id == "ConsentRequired"
    with pytest.raises(IdentityError):
        app.grant("fabrikam.com")


def test_a_new_consent_gives_new_tokens(emulator: Emulator, app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    old = credential.get_token(GRAPH).token
    consent(emulator, app)
    assert credential.get_token(GRAPH).token != old


def test_renewal(emulator: Emulator, app: PartnerApp) -> None:
    consent(emulator, app, "northwind.example", "admin@northwind.example")
    kept = app.token("fabrikam.com", "graph")
    before, generation = redemptions(emulator), app.grant("fabrikam.com").generation
    assert app.renew("fabrikam.com") >= app.grant("fabrikam.com").last_redeemed_on
    assert redemptions(emulator) == before + 1
    assert app.token("fabrikam.com", "graph") is kept, "a renewal lets the tokens be that were handed out"
    assert app.grant("fabrikam.com").generation > generation
    assert app.renew_due() == []
    told = []
    renewed = app.renew_due(within_days=365, progress=lambda *news: told.append(news))
    assert {each.partner for each in renewed} == {each.partner for each in app.grants()}
    assert all(each.expires_on and each.error is None for each in renewed)
    assert [(done, found) for done, found, _ in told] == [(1, 2), (2, 2)]
    assert {each.partner for *_, each in told} == {each.partner for each in renewed}
    assert app.token("fabrikam.com", "graph") is kept


def test_one_partner_that_cannot_be_renewed_does_not_stop_the_others(emulator: Emulator, app: PartnerApp) -> None:
    consent(emulator, app, "northwind.example", "admin@northwind.example")
    emulator.control(revoke={"upn": "admin@fabrikam.com"})
    renewed = {each.partner: each for each in app.renew_due(within_days=365)}
    dead, alive = renewed[emulator.tenant()["id"]], renewed[emulator.tenant("northwind.example")["id"]]
    assert dead.error is not None
    assert (dead.error.id, dead.expires_on, alive.error) == ("GrantRevoked", None, None)
    assert "GrantRevoked" in repr(dead)
    grant = app.grant("fabrikam.com")
    assert (grant.state, grant.dead_reason) == ("dead", "GrantRevoked")
    assert grant.dead_on


def test_what_progress_raises_comes_out_when_all_is_done(emulator: Emulator, app: PartnerApp) -> None:
    consent(emulator, app, "northwind.example", "admin@northwind.example")
    before = redemptions(emulator)

    def progress(done: int, found: int, renewed: object) -> None:
        raise ZeroDivisionError(done)

    with pytest.raises(ZeroDivisionError, match="1"):
        app.renew_due(within_days=365, progress=progress)
    assert redemptions(emulator) == before + 2


def test_many_threads_that_miss_one_token_redeem_once(emulator: Emulator, app: PartnerApp) -> None:
    emulator.control(delay_ms=300, path="token")
    before = redemptions(emulator)
    together = Barrier(THREADS)

    def ask(number: int) -> str:
        credential = app.credential("fabrikam.com", "contoso.com")
        together.wait()
        if number % 2:
            return credential.get_token(GRAPH).token
        return app.token("fabrikam.com", "graph", "contoso.com").token

    with ThreadPoolExecutor(THREADS) as threads:
        tokens = set(threads.map(ask, range(THREADS)))
    assert len(tokens) == 1
    assert redemptions(emulator) == before + 1


def test_the_lock_is_released_while_a_call_waits(emulator: Emulator, app: PartnerApp) -> None:
    """Without that the counting below would stand still until the reply came, and the request would not be seen in its midst."""
    emulator.control(delay_ms=1000, path="token")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(app.token, "fabrikam.com", "arm", "contoso.com")
        steps = 0
        while not waiting.done():
            steps += 1
            time.sleep(0.001)
        assert waiting.result().audience == "arm"
    assert steps > 10


HOLD_THE_STORE = """
import pathlib, sqlite3, sys, time
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("BEGIN IMMEDIATE")
pathlib.Path(sys.argv[2]).touch()
time.sleep(600)
"""


def test_a_store_that_cannot_be_written_is_told_beside_the_token(
    emulator: Emulator, app: PartnerApp, home: Path
) -> None:
    """Nothing is redeemed where saving would not work; here saving stops working while the reply is on its way."""
    emulator.control(delay_ms=3000, path="token")
    held = home / "held"
    with ThreadPoolExecutor(1) as threads, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        waiting = threads.submit(app.token, "fabrikam.com", "arm", "contoso.com")
        time.sleep(1)
        with Process(
            "holder", [sys.executable, "-c", HOLD_THE_STORE, home / "store" / "grants.db", held], env={}, cwd=home
        ):
            token = waiting.result()
    assert held.exists()
    (trouble,) = token.warnings
    assert (trouble.category, trouble.context["kept"]) == ("store", "recovery journal")
    (warning,) = caught
    assert warning.category is PartnerSamWarning
    assert str(warning.message) == str(trouble)
    emulator.control(delay_ms=0, path="token")
    assert app.token("fabrikam.com", "arm", "contoso.com") is token
    assert app.renew("fabrikam.com")


def test_throttling_says_how_long_to_wait(emulator: Emulator, app: PartnerApp) -> None:
    emulator.control(fail={"path": "token", "times": 20, "status": 429, "headers": {"Retry-After": "37"}})
    with pytest.raises(TransportError) as raised:
        app.token("fabrikam.com", "arm", "contoso.com")
    assert (raised.value.id, raised.value.http_status, raised.value.retry) == ("RateLimited", 429, "after")
    assert raised.value.retry_after in (36, 37)


def test_a_refusal_carries_what_entra_said(emulator: Emulator, app: PartnerApp) -> None:
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
    emulator.control(
        error_for={
            "audience": "arm",
            "error": "interaction_required",
            "error_codes": [50076],
            "suberror": "basic_action",
            "claims": claims,
        }
    )
    with pytest.raises(IdentityError) as raised:
        app.token("fabrikam.com", "arm", "contoso.com")
    error = raised.value
    assert (error.category, error.operation, error.retry) == ("identity", "token", "user_action")
    assert (error.entra_error, error.entra_codes, error.suberror) == ("interaction_required", [50076], "basic_action")
    assert error.claims == claims
    assert error.trace_id
    assert error.correlation_id == emulator.requests()[-1]["correlation_id"]
    assert error.context == {"partner": "fabrikam.com", "customer": "contoso.com", "audience": "arm"}
