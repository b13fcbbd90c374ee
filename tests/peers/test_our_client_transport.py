"""What reaches whom: certificates of the machine, proxies of the environment, and redirects that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.cli import Answer
from harness.emulator import Emulator
from harness.lab import GRAPH, Lab
from harness.oidc_provider import OidcProvider
from harness.proxy import Counter, Proxy
from processes.place import Place

FACES = pytest.mark.parametrize("face", ["cli", "python"])
PEER = pytest.mark.needs("oidc-provider")
NOT_NAMED = Path()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as started:
        yield started


def ask(lab: Lab, face: str, **env: str | Path) -> Answer:
    """A token that the server must be asked for."""
    return lab.program(face).with_env(**env)(*lab.ask(face, GRAPH, "--fresh"))


def names(kind: str, answer: Answer) -> bool:
    """Whether the answer is an error of this kind, as either face tells it."""
    anchor = "".join(f"-{sign.lower()}" if sign.isupper() else sign for sign in kind).removeprefix("-")
    return answer.code != 0 and (anchor in answer.stderr or kind in answer.stderr)


@PEER
@FACES
def test_the_certificates_of_the_machine_are_what_counts(home: Path, oidc_provider: OidcProvider, face: str) -> None:
    """SSL_CERT_FILE names what is trusted; without it the server's own authority is unknown, and nothing is sent to it."""
    lab = Lab(home, oidc_provider)
    lab.consent().expect()
    lab.configure(ca_file=NOT_NAMED)
    asked = len(oidc_provider.requests())
    assert names("TlsFailed", ask(lab, face))
    assert len(oidc_provider.requests()) == asked
    ask(lab, face, SSL_CERT_FILE=oidc_provider.ca_file).expect()
    assert len(oidc_provider.requests()) == asked + 1


@PEER
def test_a_certificate_that_the_file_names_is_trusted_beside_the_machine_s(
    home: Path, oidc_provider: OidcProvider, emulator: Emulator
) -> None:
    lab = Lab(home, oidc_provider)
    lab.consent().expect()
    ask(lab, "cli", SSL_CERT_FILE=emulator.ca_file).expect()
    lab.configure(ca_file=emulator.ca_file)
    assert names("TlsFailed", ask(lab, "cli"))


@PEER
@FACES
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_carries_what_it_cannot_read(
    home: Path, oidc_provider: OidcProvider, proxy: Proxy, variable: str, face: str
) -> None:
    lab = Lab(home, oidc_provider)
    lab.consent().expect()
    ask(lab, face, **{variable: proxy.url}).expect()
    assert set(proxy.tunnels) == {urlsplit(oidc_provider.issuer).netloc}
    assert proxy.others == []


@PEER
@FACES
@pytest.mark.parametrize("value", ["localhost", "example.com,localhost", "*"])
def test_no_proxy_is_respected(home: Path, oidc_provider: OidcProvider, proxy: Proxy, value: str, face: str) -> None:
    lab = Lab(home, oidc_provider)
    lab.consent().expect()
    ask(lab, face, HTTPS_PROXY=proxy.url, NO_PROXY=value).expect()
    assert proxy.connections == 0
    # Control: the same without it goes through the proxy.
    ask(lab, face, HTTPS_PROXY=proxy.url, NO_PROXY="example.com").expect()
    assert proxy.tunnels


@PEER
def test_a_proxy_that_is_not_there_is_no_reason_to_go_around_it(home: Path, oidc_provider: OidcProvider) -> None:
    lab = Lab(home, oidc_provider)
    lab.consent().expect()
    with Counter() as gone:
        port = gone.port
    asked = len(oidc_provider.requests())
    answer = ask(lab, "cli", HTTPS_PROXY=f"http://127.0.0.1:{port}")
    answer.expect(5)
    assert len(oidc_provider.requests()) == asked


@FACES
def test_the_emulator_is_never_reached_through_a_proxy(home: Path, emulator: Emulator, proxy: Proxy, face: str) -> None:
    everything = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"), proxy.url)
    place = Place(home, emulator, env=everything)
    place.program(face)(*place.ask(face, "--fresh")).expect()
    assert proxy.connections == 0


@FACES
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_from_the_token_endpoint_is_not_followed(
    home: Path, emulator: Emulator, status: int, face: str
) -> None:
    """307 and 308 would have the client send its secret and the refresh token once more, to wherever the answer says."""
    place = Place(home, emulator)
    emulator.forget_requests()
    with Counter() as elsewhere:
        location = f"https://localhost:{elsewhere.port}/common/oauth2/v2.0/token"
        emulator.control(fail={"path": "token", "status": status, "headers": {"location": location}})
        answer = place.program(face)(*place.ask(face, "--fresh"))
        assert names("RedirectRefused", answer)
        assert (elsewhere.connections, elsewhere.received) == (0, b"")
    assert [each["injected"] for each in place.redemptions()] == [True]
    assert place.grant()["condition"] == "active"
    place.token("--fresh").expect()


def test_a_redirect_from_the_metadata_is_not_followed(home: Path, emulator: Emulator) -> None:
    place = Place(home, emulator)
    with Counter() as elsewhere:
        location = f"https://localhost:{elsewhere.port}/metadata"
        emulator.control(fail={"path": "metadata", "times": 9, "status": 307, "headers": {"location": location}})
        answer = place.cli("token", "fabrikam.com", "--for", "graph")
        assert names("RedirectRefused", answer)
        assert (elsewhere.connections, elsewhere.received) == (0, b"")
