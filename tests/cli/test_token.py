"""`partnersam token`: what it prints and where, when it redeems, and how it fails."""

from __future__ import annotations

import re
import signal
from datetime import datetime
from pathlib import Path

import pytest
from cli.consents import consent, status, until
from cli.terminal import Terminal

from harness import canary
from harness.cli import Cli
from harness.emulator import Emulator

JWT = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+")
FIELDS = {
    "schema_version",
    "access_token",
    "masked",
    "token_type",
    "partner",
    "tenant",
    "audience",
    "expires_on",
    "expires_in",
    "refresh_after",
    "scopes",
    "mfa",
    "warnings",
}


def switch_off(emulator: Emulator) -> None:
    """Nothing listens there any more; killed, it leaves its files."""
    emulator._process.kill()


def redemptions(emulator: Emulator) -> int:
    return len(emulator.requests(grant_type="refresh_token"))


def test_a_pipe_gets_the_token_and_nothing_else(stored: Cli) -> None:
    answer = stored("token", "fabrikam.com", "--for", "graph").expect()
    assert JWT.fullmatch(answer.stdout.removesuffix("\n"))


def test_json_says_what_is_known_of_it(stored: Cli, emulator: Emulator) -> None:
    answer = stored("token", "fabrikam.com", "--for", "partner-center", "--json").expect()
    assert answer.stdout.count("\n") == 1
    token = answer.json
    assert set(token) == FIELDS
    assert JWT.fullmatch(token["access_token"])
    assert token["partner"] == token["tenant"] == emulator.tenant()["id"]
    assert (token["schema_version"], token["token_type"], token["audience"], token["mfa"], token["masked"]) == (
        1,
        "Bearer",
        "partner-center",
        "yes",
        False,
    )
    assert isinstance(token["expires_in"], int)
    assert 3000 < token["expires_in"] <= 3600
    for name in ("expires_on", "refresh_after"):
        assert token[name].endswith("Z")
        datetime.fromisoformat(token[name].replace("Z", "+00:00"))
    assert token == stored("token", "--for", "partner-center", "--format", "json").expect().json | {
        "expires_in": token["expires_in"]
    }


def test_a_header_is_one_that_curl_takes(stored: Cli) -> None:
    answer = stored("token", "--for", "graph", "--format", "header").expect()
    assert re.fullmatch(rf"Authorization: Bearer {JWT.pattern}\n", answer.stdout)


def test_a_shell_evaluates_the_environment(stored: Cli) -> None:
    program = str(stored.program[0])
    script = f'eval "$({program} token --for partner-center --format env)" && printenv PARTNERSAM_TOKEN_PARTNER_CENTER PARTNERSAM_ACCESS_TOKEN PARTNERSAM_EXPIRES_ON'
    shell = Cli(stored.home, stored.env, program=("/bin/sh", "-c", script))
    general, own, until = shell().expect().stdout.splitlines()
    assert JWT.fullmatch(general)
    assert general == own
    assert until.endswith("Z")


def test_a_customer_s_token_is_for_the_customer_s_tenant(stored: Cli, emulator: Emulator) -> None:
    token = stored("token", "--for", "graph", "--customer", "contoso.com", "--json").expect().json
    assert token["tenant"] == emulator.customer()["id"]
    assert token["partner"] == emulator.tenant()["id"]
    by_id = stored("token", "--for", "graph", "--customer", emulator.customer()["id"], "--json").expect().json
    assert by_id["access_token"] == token["access_token"]


@pytest.mark.parametrize("format", ["raw", "json", "header", "env"])
def test_a_terminal_shows_the_beginning_of_it(stored: Cli, format: str) -> None:
    with Terminal(stored, "token", "--for", "graph", "--format", format) as terminal:
        assert terminal.wait() == 0
        assert "eyJ…" in terminal.screen
        assert "--show" in terminal.screen
        assert not JWT.search(terminal.screen)


def test_a_terminal_shows_all_of_it_on_demand(stored: Cli) -> None:
    with Terminal(stored, "token", "--for", "graph", "--show") as terminal:
        assert terminal.wait() == 0
        assert JWT.fullmatch(terminal.screen.strip())


def test_masked_json_says_so(stored: Cli) -> None:
    with Terminal(stored, "token", "--for", "graph", "--json") as terminal:
        terminal.expect('"masked":true')
        assert terminal.wait() == 0


def test_a_new_process_does_not_redeem_what_the_store_has(stored: Cli, emulator: Emulator) -> None:
    first = stored("token", "--for", "graph").expect().stdout
    before = redemptions(emulator)
    assert stored("token", "--for", "graph").expect().stdout == first
    assert redemptions(emulator) == before
    assert stored("token", "--for", "graph", "--fresh").expect().stdout != first
    assert redemptions(emulator) == before + 1


def test_a_warm_store_needs_no_network(stored: Cli, emulator: Emulator) -> None:
    first = stored("token", "fabrikam.com", "--for", "graph").expect().stdout
    switch_off(emulator)
    assert stored("token", "fabrikam.com", "--for", "graph").expect().stdout == first


def test_claims_pass_over_the_store(stored: Cli, emulator: Emulator) -> None:
    first = stored("token", "--for", "graph").expect().stdout
    claims = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}'
    assert stored("token", "--for", "graph", "--claims", claims).expect().stdout != first


@pytest.mark.parametrize("claims", ["", "[]", "{", '"x"', "not-json-canary"])
def test_claims_that_are_no_object_are_refused(stored: Cli, claims: str) -> None:
    answer = stored("token", "--for", "graph", "--claims", claims).expect(2)
    assert "--claims takes a JSON object" in answer.stderr
    assert not answer.stdout


def test_without_a_grant_a_person_is_needed(cli: Cli) -> None:
    answer = cli("token", "fabrikam.com", "--for", "graph").expect(4)
    assert not answer.stdout
    for line in (
        "error: this partner has not consented",
        "who must act: the owner of the partner's service account",
        "hint: run `partnersam consent fabrikam.com` and sign in with MFA",
        "see: TROUBLESHOOTING.md#consent-required",
    ):
        assert line in answer.stderr
    cli("token", "--for", "graph").expect(4)


def test_an_error_as_json_has_every_field(cli: Cli) -> None:
    answer = cli("token", "fabrikam.com", "--for", "graph", "--json").expect(4)
    assert answer.stdout.count("\n") == 1
    document = answer.json
    assert set(document) == {"schema_version", "error"}
    error = document["error"]
    assert (error["number"], error["id"], error["category"], error["actor"]) == (
        2001,
        "ConsentRequired",
        "identity",
        "service_account_owner",
    )
    assert error["context"]["partner"] == "fabrikam.com"
    assert error["context"]["audience"] == "graph"
    assert {"message", "hint", "help", "retry", "retry_after", "entra_codes", "causes"} <= set(error)


def test_several_grants_and_none_named_is_a_usage_error(two_partners: Cli) -> None:
    answer = two_partners("token", "--for", "graph").expect(2)
    assert "name the partner" in answer.stderr
    two_partners("token", "northwind.example", "--for", "graph").expect()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--for",),
        ("--for", "grph"),
        ("--for", "http://graph.microsoft.com"),
        ("a/b", "--for", "graph"),
        ("--for", "graph", "--format", "yaml"),
        ("--for", "graph", "--json", "--format", "raw"),
        ("--for", "graph", "--no-such-option"),
    ],
)
def test_usage_errors(cli: Cli, arguments: tuple[str, ...]) -> None:
    answer = cli("token", *arguments).expect(2)
    assert not answer.stdout
    assert "error:" in answer.stderr


def test_an_audience_that_was_not_consented_to_needs_a_person(stored: Cli, emulator: Emulator) -> None:
    answer = stored("token", "--for", "key-vault", "--json").expect(4)
    assert answer.json["error"]["id"] == "AudienceNotConsented"
    assert answer.json["error"]["entra_codes"] == [65001]
    # The only partner is named, though nobody did, and nothing that is there now is lost by what is run next.
    command = f"partnersam consent {emulator.tenant()['id']} --for partner-center,graph,arm,key-vault"
    assert f"run `{command}` and accept" in answer.json["error"]["hint"]


def test_what_entra_said_is_told_in_full_and_harmless(stored: Cli, emulator: Emulator) -> None:
    emulator.control(
        error_for={
            "audience": "graph",
            "error": "interaction_required",
            "error_codes": [50076],
            "suberror": "basic_action\u001b[2J",
            "description": "AADSTS50076: \u001b[31mred\u001b[0m\r\nTrace ID: 1",
            "claims": {"access_token": {"capolids": {"essential": True}}},
        }
    )
    answer = stored("token", "--for", "graph", "--fresh").expect(4)
    assert "AADSTS50076" in answer.stderr
    assert "correlation id: " in answer.stderr
    assert "capolids" in answer.stderr
    assert "\u001b" not in answer.stderr
    error = stored("token", "--for", "graph", "--fresh", "--json").expect(4).json["error"]
    assert error["entra_error"] == "interaction_required"
    assert error["trace_id"]
    assert "capolids" in error["claims"]


def test_throttling_is_temporary_and_says_how_long(stored: Cli, emulator: Emulator) -> None:
    emulator.control(fail={"path": "token", "times": 9, "status": 429, "headers": {"Retry-After": "120"}})
    error = stored("token", "--for", "exchange", "--json").expect(5).json["error"]
    assert (error["id"], error["retry"], error["retry_after"], error["http_status"]) == (
        "RateLimited",
        "after",
        120,
        429,
    )


def test_no_network_is_temporary(stored: Cli, emulator: Emulator) -> None:
    switch_off(emulator)
    answer = stored("token", "--for", "graph", "--fresh").expect(5)
    assert "who must act: the administrator of this machine" in answer.stderr


def test_an_expired_secret_is_a_matter_of_configuration(stored: Cli, emulator: Emulator) -> None:
    emulator.control(secret_expired=True)
    error = stored("token", "--for", "graph", "--fresh", "--json").expect(3).json["error"]
    assert (error["id"], error["actor"]) == ("AppCredentialExpired", "app_developer")


def test_a_revoked_grant_needs_a_person_and_shows_in_the_status(stored: Cli, emulator: Emulator) -> None:
    emulator.control(revoke="all")
    assert stored("token", "--for", "graph", "--fresh", "--json").expect(4).json["error"]["id"] == "GrantRevoked"
    (grant,) = status(stored, code=4)
    assert (grant["condition"], grant["ended_because"]) == ("ended", "GrantRevoked")


def test_a_lost_key_is_the_store_s_trouble(stored: Cli, home: Path) -> None:
    (home / "key").unlink()
    assert stored("token", "--for", "graph", "--json").expect(6).json["error"]["id"] == "StoreKeyMissing"


def test_a_store_that_others_can_read_is_refused(stored: Cli, home: Path) -> None:
    next(home.rglob("grants.db")).chmod(0o644)
    answer = stored("token", "--for", "graph").expect(6)
    assert "can be read by other accounts" in answer.stderr
    assert not answer.stdout


def test_no_keyring_and_no_key_file_is_refused_with_advice(home: Path, emulator: Emulator) -> None:
    bare = Cli(home, {"PARTNERSAM_EMULATOR": str(emulator.ready_file)})
    with bare.start("consent", "fabrikam.com", "--link") as process:
        code = process.wait()
        assert code == 6, process.last_words()
        assert "PARTNERSAM_KEY_FILE" in process.stderr


def test_a_full_disk_behind_standard_output_is_no_success(stored: Cli) -> None:
    program = ("/bin/sh", "-c", 'exec "$0" "$@" > /dev/full', *stored.program)
    answer = Cli(stored.home, stored.env, program)("token", "--for", "graph").expect(1)
    assert "standard output cannot be written" in answer.stderr


def test_a_grant_of_the_emulator_is_never_used_elsewhere(stored: Cli) -> None:
    """Without the variable nothing but the real clouds is meant: another authority, with grants of its own, and none is there."""
    elsewhere = Cli(stored.home, {k: v for k, v in stored.env.items() if k != "PARTNERSAM_EMULATOR"})
    elsewhere = elsewhere.with_env(PARTNERSAM_CLIENT_ID="eeeeeeee-0000-4000-8000-000000000001")
    elsewhere("token", "--for", "graph").expect(4)


def test_a_second_consent_replaces_the_first(stored: Cli, emulator: Emulator) -> None:
    (before,) = status(stored)
    consent(stored, emulator).expect()
    (after,) = status(stored)
    assert after["generation"] > before["generation"]


def test_ctrl_c_in_the_middle_of_a_redemption_loses_nothing(stored: Cli, emulator: Emulator) -> None:
    """The service has used the old refresh token up by then, and takes none twice: what it answers must still be saved."""
    emulator.control(strict_refresh=True, delay_ms=500, path="token")
    (before,) = status(stored)
    with stored.start("token", "--for", "graph", "--fresh") as process:
        until(process, lambda: re.search(r"asking the service .*/token", process.stderr))
        process.signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert not process.stdout
    (after,) = status(stored)
    assert after["generation"] == before["generation"] + 1
    stored("token", "--for", "graph", "--fresh").expect()


@pytest.mark.parametrize("right", [True, False])
def test_a_passphrase_is_asked_for_at_a_terminal(cli: Cli, emulator: Emulator, home: Path, right: bool) -> None:
    config = home / "config.toml"
    config.write_text('key = "passphrase"\n')
    mine = Cli(
        home,
        {
            **cli.env,
            "PARTNERSAM_KEY_FILE": "",
            "PARTNERSAM_STORE": f"sqlite:{home}/mine.db",
            "PARTNERSAM_CONFIG": str(config),
        },
    )
    passphrase = "test only passphrase"
    canary.know("the store", passphrase)
    with Terminal(mine, "consent", "fabrikam.com", "--no-browser", columns=4000) as terminal:
        terminal.expect("passphrase of the store: ")
        terminal.enter(passphrase)
        terminal.expect("address of the last page")
        terminal.enter(emulator.sign_in(re.findall(r"^https://\S+$", terminal.screen, re.MULTILINE)[0]).pasted)
        assert terminal.wait() == 0
    with Terminal(mine, "token", "--for", "graph") as terminal:
        terminal.expect("passphrase of the store: ")
        terminal.enter(passphrase if right else "another one")
        assert terminal.wait() == (0 if right else 6)
        assert "another one" not in terminal.screen
    # Where nobody can be asked it is a missing key.
    assert mine("token", "--for", "graph", "--json").expect(6).json["error"]["id"] == "StoreKeyMissing"


def test_a_challenge_may_be_given_as_the_header_that_came(stored: Cli) -> None:
    first = stored("token", "--for", "graph").expect().stdout
    header = 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ"'
    assert stored("token", "--for", "graph", "--claims", header).expect().stdout != first
    stored("token", "--for", "graph", "--claims", 'Bearer realm=""').expect(2)


def test_a_token_of_the_app_alone_is_for_a_partner_s_own_app_and_asked_for_by_name(
    cli: Cli, emulator: Emulator
) -> None:
    own = cli.with_env(PARTNERSAM_PROFILE="csp", PARTNERSAM_TENANT_ID="fabrikam.com")
    token = own("token", "--for", "graph", "--app-only", "--json").expect().json
    assert token["tenant"] == emulator.tenant()["id"]
    assert [entry["grant_type"] for entry in emulator.requests()] == ["client_credentials"]
    own("token", "fabrikam.com", "--for", "graph").expect(4)
    refused = cli("token", "fabrikam.com", "--for", "partner-center", "--app-only", "--json").expect(1).json["error"]
    assert refused["id"] == "NotSupported"
    assert "900329" in refused["hint"]
    assert len(emulator.requests()) == 1
