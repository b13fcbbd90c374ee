"""`partnersam doctor`, and the warnings of a credential that ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from harness.cli import Answer, Cli
from harness.emulator import Emulator


def with_secret_ending_in(cli: Cli, emulator: Emulator, days: int) -> Cli:
    """The same app with a configuration that says when its secret ends."""
    secret = cli.home / "test-client-secret"
    secret.write_text(emulator.app()["client_secret"])
    secret.chmod(0o600)
    day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    config = cli.home / "ending.toml"
    config.write_text(
        f'client_id = "{emulator.app()["client_id"]}"\nclient_secret_file = "{secret}"\nclient_secret_expires = "{day}"\n'
    )
    return cli.with_env(PARTNERSAM_CONFIG=str(config))


def levels(answer: Answer) -> dict[str, str]:
    return {each["check"]: each["level"] for each in answer.json["findings"]}


def test_it_says_what_is_well(stored: Cli, emulator: Emulator) -> None:
    cli = with_secret_ending_in(stored, emulator, 200)
    answer = cli("doctor", "fabrikam.com", "--customer", "contoso.com").expect()
    lines = answer.stdout.splitlines()
    assert len(lines) == 15
    assert all(line.startswith("pass  ") for line in lines[1:]), answer.stdout
    document = cli("doctor", "fabrikam.com", "--json").expect().json
    assert set(document) == {"schema_version", "version", "authority", "verdict", "findings"}
    assert (document["schema_version"], document["verdict"]) == (1, "pass")


@pytest.mark.parametrize(("seconds", "level"), [(-100, "warn"), (400, "fail")])
def test_a_clock_that_is_off_is_told(stored: Cli, emulator: Emulator, seconds: int, level: str) -> None:
    emulator.control(clock_offset=seconds)
    answer = stored("doctor", "--json")
    assert levels(answer)["clock"] == level
    (finding,) = [each for each in answer.json["findings"] if each["check"] == "clock"]
    assert ("ahead of" if seconds < 0 else "behind") in finding["message"]


def test_a_failure_of_the_app_itself_is_told_once_with_all_audiences(stored: Cli, emulator: Emulator) -> None:
    for audience in ("graph", "arm"):
        emulator.control(error_for={"audience": audience, "error": "invalid_client", "error_codes": [7000222]})
    findings = stored("doctor", "--json").json["findings"]
    told = [(each["about"], each["level"]) for each in findings if each["check"] == "audience"]
    assert told == [("partner-center", "pass"), ("graph, arm", "fail")]


def test_a_file_that_others_may_read_is_named(stored: Cli) -> None:
    key = stored.home / "key"
    key.chmod(0o644)
    answer = stored("doctor", "--json").expect(6)
    (finding,) = [each for each in answer.json["findings"] if each["check"] == "store"]
    assert (finding["error_id"], finding["message"].endswith(": ~/key")) == ("StoreInsecure", True), finding


def test_a_proxy_that_is_not_used_is_not_told_of(stored: Cli) -> None:
    answer = stored.with_env(HTTPS_PROXY="http://127.0.0.1:9")("doctor", "--json").expect()
    (finding,) = [each for each in answer.json["findings"] if each["check"] == "connection"]
    assert "proxy" not in finding["message"]


def test_it_can_be_pasted(stored: Cli, emulator: Emulator) -> None:
    emulator.control(customers={"customer": "contoso.com", "relationship": False})
    for form in ((), ("--json",)):
        text = stored("doctor", "fabrikam.com", "--customer", "contoso.com", *form).stdout
        for hidden in (
            "fabrikam",
            "contoso",
            "Contoso",
            "admin@",
            emulator.tenant()["id"],
            emulator.app()["client_secret"],
        ):
            assert hidden not in text


@pytest.mark.parametrize(
    ("scenario", "check", "code"),
    [
        ({"revoke": {"upn": "admin@fabrikam.com"}}, "audience", 4),
        ({"customers": {"customer": "contoso.com", "relationship": False}}, "customer", 4),
        ({"fail": {"path": "/v1/customers", "times": 1, "status": 403}}, "role", 1),
    ],
)
def test_what_fails_has_a_fix_and_an_exit_code(
    stored: Cli, emulator: Emulator, scenario: dict[str, object], check: str, code: int
) -> None:
    emulator.control(**scenario)
    answer = stored("doctor", "--customer", "contoso.com", "--json")
    answer.expect(code)
    assert levels(answer)[check] == "fail"
    assert all((each["fix"] is None) == (each["level"] == "pass") for each in answer.json["findings"])


def test_status_asks_anew_and_the_grant_remembers(stored: Cli, emulator: Emulator) -> None:
    (before,) = stored("status", "--json").expect().json["grants"]
    document = stored("status", "--check", "--json").expect().json
    (after,) = document["grants"]
    assert (after["mfa"], after["partner_center_mfa"], document["mfa_refusals"]) == ("yes", True, [])
    assert after["generation"] == before["generation"] + 1
    emulator.control(expire_tokens=True)
    # A withdrawn token says nothing about the grant: a new one is asked with.
    assert stored("status", "--check", "--json").expect().json["grants"][0]["mfa"] == "yes"
    emulator.control(fail={"path": "partner_center", "times": 1, "status": 503})
    unknown = stored("status", "--check", "--json").expect(5).json
    assert [each["id"] for each in unknown["mfa_refusals"]] == ["ServerUnavailable"]
    # What cannot be told takes nothing back.
    assert unknown["grants"][0]["mfa"] == "yes"


@pytest.mark.parametrize(
    ("days", "standing", "notice", "warned"),
    [(200, "good", None, False), (50, "ends_soon", 60, True), (6, "ends_soon", 7, True), (-1, "ended", 0, True)],
)
def test_a_credential_that_ends_is_warned_of(
    stored: Cli, emulator: Emulator, days: int, standing: str, notice: int | None, *, warned: bool
) -> None:
    cli = with_secret_ending_in(stored, emulator, days)
    answer = cli("status", "--json").expect()
    (credential,) = answer.json["app_credentials"]
    assert (credential["standing"], credential["ends_within_days"]) == (standing, notice)
    assert ("the app's client secret" in answer.stderr) == warned
    # And whoever never looks at the status has it in the log.
    log = cli.with_env(PARTNERSAM_LOG="warn")("token", "--for", "graph", "--fresh").expect().stderr
    assert ("the app's credential" in log) == warned, log
