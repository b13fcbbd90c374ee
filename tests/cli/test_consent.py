"""`partnersam consent` in all its ways, with the person at the emulator's pages, and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cli.consents import answer_of, consent, first_line, status, until
from cli.terminal import Terminal

from harness.browser import Browser
from harness.cli import Cli
from harness.emulator import Emulator

LINE = "✔ fabrikam.com  admin@fabrikam.com · MFA yes · expires in 90 days · partner-center ✔ graph ✔ arm ✔"
REPORT = {
    "schema_version",
    "partner",
    "name",
    "user_name",
    "mfa",
    "amr",
    "partner_center_mfa",
    "expires_on",
    "expires_in",
    "taints",
    "audiences",
}


def query(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def is_open(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(address).port or 80)) == 0


def test_a_link_is_all_that_standard_output_gets(cli: Cli, emulator: Emulator) -> None:
    answer = consent(cli, emulator).expect()
    link = answer.stdout.removesuffix("\n")
    assert re.fullmatch(r"https://\S+", link)
    assert LINE in answer.stderr
    asked = query(link)
    assert asked["prompt"] == "login"
    assert asked["code_challenge_method"] == "S256"
    assert asked["response_mode"] == "form_post"
    assert urlsplit(link).path.startswith(f"/{emulator.tenant()['id']}/")
    assert not is_open(asked["redirect_uri"])
    (grant,) = status(cli)
    assert (grant["name"], grant["user_name"], grant["mfa"], grant["condition"]) == (
        "fabrikam.com",
        "admin@fabrikam.com",
        "yes",
        "active",
    )


def test_json_is_one_object_a_line(cli: Cli, emulator: Emulator) -> None:
    answer = consent(cli, emulator, "fabrikam.com", "--for", "partner-center,graph", "--json").expect()
    link, report = (json.loads(line) for line in answer.stdout.splitlines())
    assert set(link) == {"schema_version", "link", "partner", "redirect_uri", "expires_on"}
    assert set(report) == REPORT
    assert report["amr"] == ["pwd", "mfa"]
    assert report["partner_center_mfa"] is True
    assert [(each["audience"], each["ok"], each["error"]) for each in report["audiences"]] == [
        ("partner-center", True, None),
        ("graph", True, None),
    ]
    assert isinstance(report["expires_in"], int)


BROWSER = """
import json, ssl, sys, urllib.parse, urllib.request
ready_file, upn, link = sys.argv[1], sys.argv[2], sys.argv[3]
print("a browser's own words on standard output")
ready = json.load(open(ready_file))
tls = ssl.create_default_context(cafile=ready["ca_file"])
ask = urllib.request.Request(ready["control"] + "/signin", json.dumps({"authorize_url": link, "upn": upn}).encode())
form = json.load(urllib.request.urlopen(ask, context=tls))["form"]
reply = urllib.request.Request(form["action"], urllib.parse.urlencode(form["fields"]).encode())
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
assert b"Consent stored" in opener.open(reply).read()
"""


@pytest.fixture
def browser(tmp_path: Path, emulator: Emulator) -> str:
    """A command line with arguments, as BROWSER may hold one, that signs in by itself."""
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    return f"{sys.executable} {script} {emulator.ready_file} admin@fabrikam.com"


def test_the_browser_of_the_variable_is_opened(cli: Cli, browser: str) -> None:
    answer = cli.with_env(BROWSER=browser)("consent", "fabrikam.com").expect()
    assert answer.stdout == f"{LINE}\n"


def test_the_browser_of_the_variable_is_opened_with_the_link_where_it_wants_it(cli: Cli, browser: str) -> None:
    answer = cli.with_env(BROWSER=f"/no/such/browser:{browser} %s")("consent", "fabrikam.com", "--json").expect()
    assert set(answer.json) == REPORT


def test_without_a_browser_the_link_is_told(cli: Cli, emulator: Emulator, tmp_path: Path) -> None:
    bare = cli.with_env(PATH=tmp_path, BROWSER="/no/such/browser")
    with bare.start("consent", "fabrikam.com") as process:
        link = until(process, lambda: next(iter(re.findall(r"^https://\S+$", process.stderr, re.MULTILINE)), ""))
        page = emulator.sign_in(link).deliver()
        answer = answer_of(process, page).expect()
    assert "no browser could be started" in answer.stderr
    assert answer.stdout == f"{LINE}\n"


@pytest.mark.needs("chromium", "libnss3-tools")
def test_a_person_with_chromium(cli: Cli, emulator: Emulator, tmp_path: Path) -> None:
    """The browser that is opened only tells the test the link; the person then does everything by hand."""
    told = tmp_path / "link"
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {told}.new && mv {told}.new {told}\n')
    opener.chmod(0o755)
    user = emulator.user()
    with (
        cli.with_env(BROWSER=opener).start("consent", "fabrikam.com") as process,
        Browser(emulator.ca_file) as browser,
    ):
        link = until(process, lambda: told.exists() and told.read_text())
        page = browser.page()
        page.goto(link)
        page.get_by_label("Account").fill(user["upn"])
        page.get_by_label("Password").fill(user["password"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Code from your authenticator").fill(user["otp"])
        page.get_by_role("button", name="Verify").click()
        page.get_by_role("button", name="Accept").click()
        page.wait_for_url(f"{query(link)['redirect_uri']}**")
        page.get_by_role("heading", name="Consent stored for fabrikam.com").wait_for()
        assert answer_of(process).expect().stdout == f"{LINE}\n"


def test_a_pasted_address_at_a_terminal(cli: Cli, emulator: Emulator) -> None:
    with Terminal(cli, "consent", "fabrikam.com", "--no-browser", columns=4000) as terminal:
        terminal.expect("address of the last page (not shown): ")
        link = re.findall(r"^https://\S+$", terminal.screen, re.MULTILINE)[0]
        assert query(link)["response_mode"] == "query"
        reply = emulator.sign_in(link)
        # As long as Entra's can be, and longer than a terminal takes in one line of its own.
        terminal.enter(f"{reply.pasted}&padding={'x' * 5000}")
        terminal.expect("admin@fabrikam.com · MFA yes")
        assert terminal.wait() == 0
        assert reply.fields["code"] not in terminal.screen


@contextmanager
def later(cli: Cli, tmp_path: Path) -> Iterator[tuple[Cli, Path]]:
    """The command with standard input that comes later, and is no terminal."""
    pipe = tmp_path / "later"
    os.mkfifo(pipe)
    # Opened for both, so that neither end waits for the other.
    yield Cli(cli.home, cli.env, ("/bin/sh", "-c", f'exec "$0" "$@" <>{pipe}', *cli.program)), pipe


def test_a_pasted_address_through_a_pipe(cli: Cli, emulator: Emulator, tmp_path: Path) -> None:
    with later(cli, tmp_path) as (waiting, pipe), waiting.start("consent", "fabrikam.com", "--no-browser") as process:
        link = first_line(process)
        pipe.write_text(emulator.sign_in(link).pasted + "\n")
        answer = answer_of(process).expect()
    assert answer.stdout == f"{link}\n"
    assert LINE in answer.stderr


@pytest.mark.parametrize(
    ("pasted", "code"), [("", 2), ("https://localhost/?hello", 4), ("http://localhost/?code=x&state=forged", 4)]
)
def test_a_wrong_address_is_no_consent(cli: Cli, pasted: str, code: int) -> None:
    answer = cli("consent", "fabrikam.com", "--no-browser", stdin=f"{pasted}\n").expect(code)
    assert "error: " in answer.stderr
    assert status(cli) == []


def test_no_browser_at_a_terminal_where_nobody_may_be_asked(cli: Cli) -> None:
    with Terminal(cli, "consent", "fabrikam.com", "--no-browser", "--no-input") as terminal:
        assert terminal.wait() == 2
        assert "--no-input" in terminal.screen


def test_a_device_code_by_explicit_choice(cli: Cli, emulator: Emulator) -> None:
    with cli.start("consent", "fabrikam.com", "--device-code", "--json") as process:
        shown = json.loads(first_line(process))
        assert set(shown) == {"schema_version", "user_code", "verification_uri", "expires_on"}
        emulator.enter_code(shown["verification_uri"], shown["user_code"])
        answer = answer_of(process).expect()
    report = json.loads(answer.stdout.splitlines()[1])
    assert set(report) == REPORT
    assert report["taints"] == ["device_code"]
    assert status(cli)[0]["taints"] == ["device_code"]


def test_a_device_code_is_told_in_words(cli: Cli, emulator: Emulator) -> None:
    with cli.start("consent", "fabrikam.com", "--for", "partner-center", "--device-code") as process:
        told = until(
            process, lambda: next(iter(re.findall(r"open (\S+) and enter the code (\S+)", process.stderr)), "")
        )
        emulator.enter_code(*told)
        answer = answer_of(process).expect()
    assert answer.stdout == f"{LINE.removesuffix(' graph ✔ arm ✔')}\n"
    assert "consented by device code" in answer.stderr


def test_without_mfa_nothing_is_stored(cli: Cli, emulator: Emulator) -> None:
    answer = consent(cli, emulator, upn="legacy@fabrikam.com").expect(4)
    assert "legacy@fabrikam.com did not prove MFA, so nothing was stored" in answer.stderr
    assert "see: TROUBLESHOOTING.md#mfa-not-proved" in answer.stderr
    assert status(cli) == []


def test_without_mfa_by_insisting(cli: Cli, emulator: Emulator) -> None:
    answer = consent(cli, emulator, "fabrikam.com", "--allow-without-mfa", upn="legacy@fabrikam.com").expect()
    assert "MFA no" in answer.stderr
    assert "warning: stored without proof of MFA" in answer.stderr
    (grant,) = status(cli)
    assert (grant["mfa"], grant["taints"]) == ("no", ["without_mfa"])


def test_a_proved_grant_is_never_replaced_by_one_without(stored: Cli, emulator: Emulator) -> None:
    answer = consent(stored, emulator, "fabrikam.com", "--allow-without-mfa", "--json", upn="legacy@fabrikam.com")
    assert json.loads(answer.expect(4).stdout.splitlines()[1])["error"]["id"] == "MfaDowngrade"
    assert status(stored)[0]["user_name"] == "admin@fabrikam.com"


def test_a_declined_consent(cli: Cli, emulator: Emulator) -> None:
    answer = consent(cli, emulator, accept=False).expect(4)
    assert "declined" in answer.stderr
    assert status(cli) == []


def test_an_audience_without_a_token_matters_when_it_was_asked_for_by_name(cli: Cli, emulator: Emulator) -> None:
    emulator.control(error_for={"audience": "arm", "error": "invalid_grant", "error_codes": [65001]})
    answer = consent(cli, emulator).expect()
    assert "partner-center ✔ graph ✔ arm ✘ (" in answer.stderr
    assert "warning: no token for arm: " in answer.stderr
    answer = consent(cli, emulator, "fabrikam.com", "--for", "partner-center,arm", "--json").expect(4)
    report = json.loads(answer.stdout.splitlines()[1])
    assert [each["ok"] for each in report["audiences"]] == [True, False]
    assert report["audiences"][1]["error"]["id"] == "AudienceNotConsented"
    assert status(cli)[0]["condition"] == "active"


def test_a_failure_of_the_app_itself_is_asked_for_and_told_once(cli: Cli, emulator: Emulator) -> None:
    for audience in ("graph", "arm"):
        emulator.control(error_for={"audience": audience, "error": "invalid_client", "error_codes": [7000222]})
    emulator.forget_requests()
    answer = consent(cli, emulator).expect()
    assert "partner-center ✔ graph ✘ (" in answer.stderr
    assert answer.stderr.count("warning: no token for ") == 1
    assert "warning: no token for graph, arm: " in answer.stderr
    assert len(emulator.requests(grant_type="refresh_token")) == 1
    answer = consent(cli, emulator, "fabrikam.com", "--json").expect()
    failed = json.loads(answer.stdout.splitlines()[1])["audiences"][1:]
    assert [(each["ok"], each["error"]["id"]) for each in failed] == [(False, "AppCredentialExpired")] * 2
    # What is one audience's own is told of each.
    for audience in ("graph", "arm"):
        emulator.control(error_for={"audience": audience, "error": "invalid_grant", "error_codes": [65001]})
    emulator.forget_requests()
    answer = consent(cli, emulator).expect()
    assert answer.stderr.count("warning: no token for ") == 2
    assert len(emulator.requests(grant_type="refresh_token")) == 2


def test_the_link_ends_with_the_time_limit(cli: Cli) -> None:
    answer = cli("consent", "fabrikam.com", "--link", "--timeout", "1").expect(4)
    assert "within the time limit: 1 s" in answer.stderr
    assert not is_open(query(answer.stdout)["redirect_uri"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_and_closes_the_door(cli: Cli, number: signal.Signals, code: int) -> None:
    with cli.start("consent", "fabrikam.com", "--link") as process:
        link = first_line(process)
        assert is_open(query(link)["redirect_uri"])
        process.signal(number)
        assert process.wait(10) == code
        assert not is_open(query(link)["redirect_uri"])
        assert "error: cancelled" in process.stderr


def test_a_port_of_one_s_own(cli: Cli, emulator: Emulator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.listen()
        answer = cli("consent", "fabrikam.com", "--link", "--port", str(port)).expect(2)
        assert f"in use by another program: {port}" in answer.stderr
    answer = consent(cli, emulator, "fabrikam.com", "--port", str(port)).expect()
    assert query(answer.stdout)["redirect_uri"] == f"http://localhost:{port}/"


def test_junk_at_the_port_neither_ends_nor_completes_the_consent(cli: Cli, emulator: Emulator) -> None:
    with cli.start("consent", "fabrikam.com", "--link") as process:
        link = first_line(process)
        redirect = query(link)["redirect_uri"]
        for forged in ({"code": "x", "state": "forged"}, {"error": "access_denied"}):
            assert httpx.post(redirect, data=forged, trust_env=False).status_code >= 400
        assert httpx.get(redirect, trust_env=False).status_code >= 400
        page = emulator.sign_in(link).deliver()
        answer_of(process, page).expect()


def test_a_link_for_a_web_page_that_completes_it(cli: Cli, emulator: Emulator, home: Path) -> None:
    """Where the configuration has a redirect address, nothing waits here: whoever shares the store completes it."""
    config = home / "config.toml"
    config.write_text('redirect_uri = "https://vendor.example/consent/callback"\n')
    answer = cli("consent", "fabrikam.com", "--link", "--config", config).expect()
    assert query(answer.stdout)["redirect_uri"] == "https://vendor.example/consent/callback"
    reply = emulator.sign_in(answer.stdout.strip())
    assert reply.url == "https://vendor.example/consent/callback"


def test_hints_and_purposes_go_into_the_link_and_the_record(cli: Cli, emulator: Emulator) -> None:
    answer = consent(
        cli, emulator, "fabrikam.com", "--login-hint", "admin@fabrikam.com", "--purpose", "billing"
    ).expect()
    assert query(answer.stdout)["login_hint"] == "admin@fabrikam.com"
    assert status(cli)[0]["purpose"] == "billing"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("not a tenant",),
        ("common",),
        ("fabrikam.com", "--link", "--no-browser"),
        ("fabrikam.com", "--no-browser", "--device-code"),
        ("fabrikam.com", "--port", "0"),
        ("fabrikam.com", "--timeout", "0"),
    ],
)
def test_usage_errors(cli: Cli, options: tuple[str, ...]) -> None:
    assert not cli("consent", *options).expect(2).stdout


def test_a_tenant_that_nobody_knows(cli: Cli) -> None:
    answer = cli("consent", "nobody.example", "--link").expect(3)
    assert "see: TROUBLESHOOTING.md#tenant-not-found" in answer.stderr
