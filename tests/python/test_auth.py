"""auth(): requests and httpx sign with it, and no token goes where it does not belong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests
from python.partner import consent, open_app

from harness.emulator import Emulator
from partnersam import CallerError, PartnerApp, TransportError


class Request:
    """What requests and httpx have in common."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.headers: dict[str, str] = {}


@pytest.fixture
def app(emulator: Emulator, home: Path) -> Iterator[PartnerApp]:
    with open_app(emulator, home) as opened:
        consent(emulator, opened)
        yield opened


def test_requests(emulator: Emulator, app: PartnerApp) -> None:
    auth = app.credential("fabrikam.com", customer="contoso.com").auth("graph")
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(emulator.ca_file)
        reply = session.get(f"{emulator.ready['graph']}/v1.0/organization", auth=auth)
        assert reply.status_code == 200, reply.text
        assert reply.json()["value"][0]["id"] == emulator.customer()["id"]
        with pytest.raises(TransportError) as refused:
            session.get(f"{emulator.ready['partner_center']}/v1/customers", auth=auth)
    assert refused.value.id == "HostNotAllowed"


def test_httpx(emulator: Emulator, app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    with httpx.Client(verify=emulator.tls(), trust_env=False) as client:
        reply = client.get(f"{emulator.ready['graph']}/v1.0/me", auth=credential.auth("graph"))
        assert reply.status_code == 200, reply.text
        assert reply.json()["userPrincipalName"] == "admin@fabrikam.com"
        customers = client.get(
            f"{emulator.ready['partner_center']}/v1/customers", auth=credential.auth("partner-center")
        )
        assert customers.status_code == 200, customers.text
        with pytest.raises(TransportError) as refused:
            client.get(f"{emulator.ready['authority']}/v1.0/me", auth=credential.auth("graph"))
    assert refused.value.id == "HostNotAllowed"


def test_azure_resource_manager_of_the_emulator_is_known_by_its_ready_file(emulator: Emulator, app: PartnerApp) -> None:
    auth = app.credential("fabrikam.com", customer="contoso.com").auth("arm")
    with httpx.Client(verify=emulator.tls(), trust_env=False) as client:
        reply = client.get(f"{emulator.ready['arm']}/tenants?api-version=2022-12-01", auth=auth)
    assert reply.status_code == 200, reply.text


def test_a_request_to_another_address_is_left_as_it_was(emulator: Emulator, app: PartnerApp) -> None:
    graph: str = emulator.ready["graph"]
    host = graph.removeprefix("https://")
    auth = app.credential("fabrikam.com").auth("graph")
    signed = Request(f"{graph}/v1.0/me?$select=id")
    assert auth(signed) is signed
    assert signed.headers["Authorization"] == f"Bearer {app.token('fabrikam.com', 'graph').token}"
    for url in (
        f"http://{host}/v1.0/me",
        f"https://{host}1/v1.0/me",
        f"https://{host}.evil.example/v1.0/me",
        f"https://evil.example/{host}",
        f"https://{host}@evil.example/",
        f"https://user@{host}/",
        f"https://user:pass@{host}/",
        f"https://{host}\\@evil.example/",
        f"https://evil.example\\@{host}/",
        f"https://{host}\t.evil.example/",
        f"https://{host} /",
        f"//{host}/",
        "ftp://" + host,
        "https://graph.microsoft.com/v1.0/me",
        "https://graph.microsoft.com.evil.example/",
        "not an address",
        "",
    ):
        request = Request(url)
        with pytest.raises(TransportError) as refused:
            auth(request)
        assert (refused.value.id, refused.value.context["audience"]) == ("HostNotAllowed", "graph"), url
        assert request.headers == {}


def test_the_address_in_the_error_is_the_host_alone(app: PartnerApp) -> None:
    with pytest.raises(TransportError) as refused:
        app.credential("fabrikam.com").auth("graph")(
            Request("https://user:hidden-word@evil.example/hidden-path?hidden-query")
        )
    shown = str(refused.value) + repr(refused.value.to_dict())
    assert "evil.example" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("audience", "good", "bad"),
    [
        ("https://contoso.crm.dynamics.com", "https://contoso.crm.dynamics.com/api", "https://other.crm.dynamics.com/"),
        ("exchange", "https://outlook.office365.com/adminapi", "https://outlook.office.com/"),
        ("key-vault", "https://one.vault.azure.net/secrets/x", "https://vault.azure.net/"),
        ("key-vault", "https://two.vault.azure.net:443/", "https://a.b.vault.azure.net/"),
        ("key-vault", "https://three.vault.azure.net/", "https://three.vault.azure.net:8443/"),
        ("key-vault", "https://four.vault.azure.net/", "https://fourvault.azure.net/"),
        ("key-vault", "https://five.vault.azure.net/", "https://five.vault.azure.net.evil.example/"),
    ],
)
def test_each_audience_has_its_own_hosts(app: PartnerApp, audience: str, good: str, bad: str) -> None:
    auth = app.credential("fabrikam.com").auth(audience)
    auth._check(good)
    with pytest.raises(TransportError):
        auth._check(bad)


def test_an_audience_without_an_address_needs_its_hosts_named(app: PartnerApp) -> None:
    credential = app.credential("fabrikam.com")
    for audience in ("teams", "api://aaaabbbb-0000-cccc-1111-dddd2222eeee"):
        with pytest.raises(CallerError, match="no host is known"):
            credential.auth(audience)
        auth = credential.auth(audience, hosts=["teams.example", "other.example:8443"])
        auth._check("https://teams.example/x")
        auth._check("https://other.example:8443/x")
        for bad in ("https://other.example/", "https://teams.example:8443/", "http://teams.example/"):
            with pytest.raises(TransportError):
                auth._check(bad)
    for bad in ("https://x.example", "a/b", "user@x.example", "", "x.example?y", "x.example#z"):
        with pytest.raises(CallerError, match="not a host"):
            credential.auth("graph", hosts=[bad])
    with pytest.raises(TypeError):
        credential.auth("graph", hosts="x.example")
