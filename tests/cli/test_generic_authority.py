"""The command against an OAuth server that nobody here wrote: consent with PKCE, strict rotation, device code, and no way there by accident."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.consents import answer_of, first_line, status

from harness import canary
from harness.cli import Cli
from harness.oidc_provider import OidcProvider
from harness.process import Process

pytestmark = pytest.mark.needs("oidc-provider")

GRAPH = "https://graph.test/"
PARTNER_CENTER = "https://partner-center.test/"
BOTH = f"{GRAPH},{PARTNER_CENTER}"


@pytest.fixture
def lab(home: Path, oidc_provider: OidcProvider) -> Cli:
    """The command with a configuration that names this server, and nothing else of it."""
    secret = home / "client-secret"
    secret.touch(mode=0o600)
    secret.write_text(oidc_provider.client["client_secret"])
    config = home / "lab.toml"
    config.write_text(
        f"""
client_id = "{oidc_provider.client["client_id"]}"
client_secret_file = "client-secret"
key = "file:key"
store = "sqlite:{home}/lab.db"

[authority]
name = "lab"
issuer = "{oidc_provider.issuer}"
ca_file = "{oidc_provider.ca_file}"
one_use_refresh_tokens = true

[scopes]
"{GRAPH}" = ["graph.read"]
"{PARTNER_CENTER}" = ["user_impersonation"]
"""
    )
    cli = Cli(home, {"PARTNERSAM_CONFIG": str(config)})
    Cli(home)(
        "init", "--client-id", "eeeeeeee-0000-4000-8000-000000000001", "--key-file", "key", "--config", "unused.toml"
    ).expect()
    canary.know("the store", (home / "key").read_text().strip().rpartition(":")[2])
    return cli


@pytest.fixture
def consented(lab: Cli, oidc_provider: OidcProvider) -> Cli:
    with lab.start("consent", "lab", "--for", BOTH, "--link") as process:
        link = first_line(process)
        answer_of(process, oidc_provider.sign_in(link).deliver()).expect()
    return lab


def redemptions(peer: OidcProvider) -> int:
    return sum(each["grant_type"] == "refresh_token" for each in peer.requests())


def test_consent_then_tokens_for_both(consented: Cli) -> None:
    (grant,) = status(consented)
    assert (grant["name"], grant["mfa"]) == ("lab", "yes")
    for audience in (GRAPH, PARTNER_CENTER):
        token = consented("token", "--for", audience, "--json").expect().json
        assert token["audience"] == audience
        assert token["mfa"] == "yes"


def test_a_new_process_redeems_only_what_is_not_there(consented: Cli, oidc_provider: OidcProvider) -> None:
    before = redemptions(oidc_provider)
    first = consented("token", "lab", "--for", GRAPH).expect().stdout
    assert consented("token", "lab", "--for", GRAPH).expect().stdout == first
    assert redemptions(oidc_provider) == before


def test_each_refresh_token_is_used_once_by_however_many_processes(consented: Cli, oidc_provider: OidcProvider) -> None:
    """This server ends the whole grant when a refresh token comes twice: every process must see what the last one was given."""
    before = redemptions(oidc_provider)
    running: list[Process] = [
        consented.start("token", "lab", "--for", audience, "--fresh") for audience in (GRAPH, PARTNER_CENTER) * 3
    ]
    try:
        assert [process.wait() for process in running] == [0] * 6
    finally:
        for process in running:
            process.stop()
    assert redemptions(oidc_provider) == before + 6
    consented("renew", "lab").expect()


def test_a_device_code(lab: Cli, oidc_provider: OidcProvider) -> None:
    with lab.start("consent", "lab", "--for", GRAPH, "--device-code", "--json") as process:
        shown = json.loads(first_line(process))
        oidc_provider.enter_code(shown["verification_uri"], shown["user_code"])
        answer = answer_of(process).expect()
    assert json.loads(answer.stdout.splitlines()[1])["taints"] == ["device_code"]


def test_the_server_has_one_partner_itself(consented: Cli) -> None:
    answer = consented("token", "fabrikam.com", "--for", GRAPH, "--json").expect(3)
    assert answer.json["error"]["id"] == "TenantNotFound"


def test_it_is_never_reached_by_accident(home: Path, oidc_provider: OidcProvider) -> None:
    """No variable leads there: the configuration file alone names such a server."""
    cli = Cli(
        home,
        {
            "AZURE_AUTHORITY_HOST": oidc_provider.issuer,
            "AZURE_CLIENT_ID": "eeeeeeee-0000-4000-8000-000000000001",
            "PARTNERSAM_KEY_FILE": str(home / "key"),
        },
    )
    answer = cli("token", "lab", "--for", GRAPH).expect(3)
    assert "AZURE_AUTHORITY_HOST must be" in answer.stderr
