"""partnersam, command line and Python package, against an OAuth server that nobody here wrote.

The server is oidc-provider, certified, and as strict as it can be set: PKCE always, refresh tokens for one use with the whole
grant revoked on reuse, the issuer named in every reply (RFC 9207), tokens for one named resource (RFC 8707).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from harness import canary
from harness.cli import Answer, Cli
from harness.emulator import Emulator
from harness.lab import BOTH, GRAPH, NAME, PARTNER_CENTER, Lab
from harness.oidc_provider import OidcProvider
from harness.places import CLI

if TYPE_CHECKING:
    from partnersam import PartnerApp

pytestmark = pytest.mark.needs("oidc-provider")

FACES = pytest.mark.parametrize("face", ["cli", "python"])
CROWD = 8


@pytest.fixture
def lab(home: Path, oidc_provider: OidcProvider) -> Lab:
    return Lab(home, oidc_provider)


@pytest.fixture
def app(lab: Lab) -> PartnerApp:
    """The package, in this very process."""
    from partnersam import PartnerApp

    return PartnerApp.from_config(lab.config)


class Since:
    """What the token endpoint was asked from here on."""

    def __init__(self, peer: OidcProvider) -> None:
        self.peer = peer
        self.before = len(peer.requests())

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.peer.requests()[self.before :]

    @property
    def answers(self) -> list[tuple[str, int]]:
        return [(each["grant_type"], each["status"]) for each in self.requests]


def result(answer: Answer) -> dict[str, Any]:
    """The second of the two lines that a consent by link prints."""
    told: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return told


def refusal(answer: Answer, code: int) -> dict[str, Any]:
    error: dict[str, Any] = result(answer.expect(code))["error"]
    return error


def grants(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lab.cli("status", "--json").stdout)["grants"]
    return found


def test_one_consent_gives_a_token_for_each_service(lab: Lab) -> None:
    since = Since(lab.peer)
    told = result(lab.consent().expect())
    assert told["name"] == NAME
    assert told["mfa"] == "yes"
    assert [(each["audience"], each["ok"]) for each in told["audiences"]] == [(GRAPH, True), (PARTNER_CENTER, True)]
    assert since.answers == [("authorization_code", 200), ("refresh_token", 200)]
    # From now on it needs nobody, and for as long as the tokens live not even the server.
    tokens = {lab.token(audience).expect().stdout for audience in (GRAPH, PARTNER_CENTER)}
    assert len(tokens) == 2
    assert len(since.answers) == 2


def test_the_reply_by_an_address_that_a_person_pastes(lab: Lab) -> None:
    pasted = lab.home / "pasted"
    os.mkfifo(pasted, 0o600)
    # A terminal is not needed for it, only a standard input that stays open until the person has signed in.
    patient = Cli(lab.home, lab.env, ("/bin/sh", "-c", f'exec "$0" "$@" <> {pasted}', CLI))
    with patient.start("consent", NAME, "--for", GRAPH, "--no-browser", "--json") as process:
        reply = lab.peer.sign_in(json.loads(process.first_line())["link"])
        assert reply.method == "get"
        pasted.write_text(f"{reply.pasted}\n")
        told = result(Answer(process.wait(), process.stdout, process.stderr).expect())
    assert [each["ok"] for each in told["audiences"]] == [True]
    lab.token(GRAPH).expect()


def test_a_device_code_is_typed_on_another_machine(lab: Lab) -> None:
    with lab.cli.start("consent", NAME, "--for", BOTH, "--device-code", "--json") as process:
        asked = json.loads(process.first_line())
        assert "Signed in" in lab.peer.enter_code(asked["verification_uri"], asked["user_code"])
        told = result(Answer(process.wait(), process.stdout, process.stderr).expect())
    assert told["taints"] == ["device_code"]
    assert [each["ok"] for each in told["audiences"]] == [True, True]
    lab.token(PARTNER_CENTER, "--fresh").expect()


def test_a_user_who_says_no_is_heard(lab: Lab) -> None:
    assert refusal(lab.consent(answer="no"), 4)["id"] == "ConsentDeclined"
    assert grants(lab) == []


def test_without_mfa_nothing_is_stored_unless_one_insists(home: Path) -> None:
    with OidcProvider(amr="pwd") as peer:
        lab = Lab(home, peer)
        assert refusal(lab.consent(), 4)["id"] == "MfaNotProved"
        assert grants(lab) == []
        told = result(lab.consent("--allow-without-mfa").expect())
        assert (told["mfa"], told["taints"]) == ("no", ["without_mfa"])
        lab.token(GRAPH).expect()


def test_a_wrong_secret_is_the_app_s_fault_and_not_the_grant_s(lab: Lab) -> None:
    lab.consent().expect()
    (lab.home / "client-secret").write_text("test-not-the-secret-of-this-client\n")
    error = refusal(lab.token(GRAPH, "--fresh", "--json"), 3)
    assert error["id"] == "AppCredentialInvalid"
    assert [each["condition"] for each in grants(lab)] == ["active"]
    (lab.home / "client-secret").write_text(f"{lab.peer.client['client_secret']}\n")
    lab.token(GRAPH, "--fresh").expect()


def test_rotation_goes_on_through_one_process_after_the_other(lab: Lab) -> None:
    lab.consent().expect()
    since = Since(lab.peer)
    for number in range(12):
        if number % 3 == 2:
            lab.cli("renew", NAME).expect()
        else:
            lab.token((GRAPH, PARTNER_CENTER)[number % 2], "--fresh").expect()
    assert since.answers == [("refresh_token", 200)] * 12


@FACES
def test_many_processes_at_once_never_use_a_refresh_token_twice(lab: Lab, face: str) -> None:
    lab.consent().expect()
    since = Since(lab.peer)
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            started = [
                stack.enter_context(
                    lab.program(face).start(*lab.ask(face, (GRAPH, PARTNER_CENTER)[number % 2], "--fresh"))
                )
                for number in range(CROWD)
            ]
            for process in started:
                assert process.wait() == 0, process.last_words()
    assert since.answers == [("refresh_token", 200)] * 3 * CROWD
    assert [each["condition"] for each in grants(lab)] == ["active"]


def test_tokens_that_end_at_once_are_asked_for_each_time(home: Path) -> None:
    """Half a minute is too little to hand out: each process redeems, also when all come at once."""
    with OidcProvider(access_token_seconds=30) as peer:
        lab = Lab(home, peer)
        lab.consent().expect()
        since = Since(peer)
        with contextlib.ExitStack() as stack:
            for process in [stack.enter_context(lab.cli.start(*lab.ask("cli", GRAPH))) for _ in range(CROWD)]:
                assert process.wait() == 0, process.last_words()
        assert since.answers == [("refresh_token", 200)] * CROWD


def test_reuse_of_a_refresh_token_by_another_ends_the_grant_and_is_told(lab: Lab) -> None:
    """Control: the server does revoke on reuse. So the tests above would have seen it."""
    with lab.peer.http() as http:
        stolen = refresh_token_of_another_client(lab.peer, http)
        told = result(lab.cli("import", NAME, "--for", GRAPH, "--json", stdin=stolen).expect())
        assert told["taints"] == ["imported"]
        lab.token(GRAPH, "--fresh").expect()
        replayed = http.post(
            "/token",
            data={**lab.peer.client, "grant_type": "refresh_token", "refresh_token": stolen, "resource": GRAPH},
        )
    assert replayed.json()["error"] == "invalid_grant"
    # The server gives no reason, and a grant is not buried without one: it is kept, and a person is asked for.
    assert refusal(lab.token(GRAPH, "--fresh", "--json"), 4)["id"] == "InteractionRequired"
    # A new sign-in mends it.
    lab.consent().expect()
    lab.token(GRAPH, "--fresh").expect()


def refresh_token_of_another_client(peer: OidcProvider, http: httpx.Client) -> str:
    """As a script would have got one that did all of it by hand, by device code."""
    ask = {**peer.client, "scope": "openid offline_access graph.read", "resource": GRAPH}
    asked = http.post("/device/auth", data=ask).json()
    peer.enter_code(asked["verification_uri"], asked["user_code"])
    grant_type = "urn:ietf:params:oauth:grant-type:device_code"
    poll = {**peer.client, "grant_type": grant_type, "device_code": asked["device_code"], "resource": GRAPH}
    token: str = http.post("/token", data=poll).json()["refresh_token"]
    canary.know("oidc-provider", token)
    return token


def test_the_authority_cannot_be_reached_unless_it_is_configured(lab: Lab, emulator: Emulator) -> None:
    lab.consent().expect()
    since = Since(lab.peer)
    # The emulator goes first, whatever the file says, and knows neither the name nor the grant.
    beside = lab.cli.with_env(PARTNERSAM_EMULATOR=emulator.ready_file, PARTNERSAM_CLIENT_ID=emulator.app()["client_id"])
    assert beside(*lab.ask("cli", GRAPH, "--fresh")).code != 0
    assert json.loads(beside("status", "--json").stdout)["grants"] == []
    # Without the table the name is nobody's, and is refused before anything is sent anywhere.
    lab.configure(ca_file=lab.peer.ca_file, authority=False)
    plain = lab.cli.with_env(PARTNERSAM_CLIENT_ID=emulator.app()["client_id"])
    for verb in (["consent", NAME, "--link"], lab.ask("cli", GRAPH), ["renew", NAME]):
        error = plain(*verb)
        assert error.code in (2, 3), error
    assert since.requests == []


@pytest.mark.parametrize("mode", ["form_post", "query"])
def test_python_completes_a_consent(lab: Lab, app: PartnerApp, mode: str) -> None:
    link = app.begin_consent(
        NAME, audiences=[GRAPH, PARTNER_CENTER], redirect_uri="http://localhost:49152/callback", response_mode=mode
    )
    reply = lab.peer.sign_in(link.url)
    assert reply.method == ("post" if mode == "form_post" else "get")
    consented = app.complete_consent(reply.fields if mode == "form_post" else reply.pasted)
    assert consented.mfa == "yes"
    tokens = [app.token(NAME, audience).token for audience in (GRAPH, PARTNER_CENTER)]
    # Another process of another language finds the same.
    assert lab.token(GRAPH).expect().stdout.strip() == tokens[0]


def test_python_refuses_a_reply_that_names_another_issuer(lab: Lab, app: PartnerApp) -> None:
    """A mix-up attack (RFC 9207): the code is not sent anywhere, and the right reply is still taken."""
    from partnersam import IdentityError

    link = app.begin_consent(NAME, audiences=[GRAPH], redirect_uri="http://localhost:49152/callback")
    reply = lab.peer.sign_in(link.url)
    since = Since(lab.peer)
    for forged in ({**reply.fields, "iss": "https://elsewhere.test"}, without(reply.fields, "iss")):
        with pytest.raises(IdentityError) as refused:
            app.complete_consent(forged)
        assert refused.value.id == "AuthorizationResponseInvalid"
    assert since.requests == []
    app.complete_consent(reply.fields)
    assert since.answers == [("authorization_code", 200)]
    with pytest.raises(IdentityError) as used:
        app.complete_consent(reply.fields)
    assert used.value.id == "ConsentStateUnknown"


def without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


def test_python_takes_a_device_code(lab: Lab, app: PartnerApp) -> None:
    device = app.begin_device_consent(NAME, audiences=[GRAPH])
    lab.peer.enter_code(device.verification_uri, device.user_code)
    assert app.complete_device_consent(device).taints == ["device_code"]
    app.renew(NAME)
    assert [grant.state for grant in app.grants()] == ["active"]


def test_a_process_that_hangs_with_the_lease_is_not_passed_by(lab: Lab) -> None:
    """Two at once would use one refresh token twice. After 45 seconds the second gives up instead, and says that it can be tried again."""
    lab.consent().expect()
    since = Since(lab.peer)
    with contextlib.ExitStack() as stack:
        # As the command line itself holds it, and has stopped in the middle; here for all names.
        leases = stack.enter_context(Path(f"{lab.store}.leases").open("r+"))
        fcntl.lockf(leases, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert refusal(lab.token(GRAPH, "--fresh", "--json"), 5)["id"] == "DeadlineExceeded"
    assert since.requests == []
    lab.token(GRAPH, "--fresh").expect()
