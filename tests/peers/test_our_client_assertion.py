"""Our assertions (`private_key_jwt`, RFC 7523) at an OAuth server that nobody here wrote; it takes each of them once only."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab import GRAPH, PARTNER_CENTER, Lab
from harness.oidc_provider import OidcProvider
from harness.signing_key import PASSPHRASE, SigningKey

pytestmark = pytest.mark.needs("oidc-provider")


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
@pytest.mark.parametrize("form", ["pem", "encrypted", "pfx"])
def test_a_certificate_proves_the_app(home: Path, form: str, algorithm: str) -> None:
    key = SigningKey(home)
    file = {
        "pem": key.pem_file,
        "encrypted": lambda: key.pem_file(PASSPHRASE),
        "pfx": key.pfx_file,
    }[form]()
    credential = (
        f'certificate_file = "{file}"',
        f'certificate_passphrase_file = "{key.passphrase_file()}"',
        f'assertion_algorithm = "{algorithm}"',
    )
    with OidcProvider(client_jwk=key.jwk(), client_algorithm=algorithm) as peer:
        lab = Lab(home, peer, credential=credential)
        lab.consent().expect()
        # Each redemption is a request of its own, and each has an assertion of its own.
        for audience in (GRAPH, PARTNER_CENTER, GRAPH):
            lab.token(audience, "--fresh").expect()
        assert {each["status"] for each in peer.requests()} == {200}


def test_another_key_is_refused(home: Path) -> None:
    key, other = SigningKey(home), SigningKey(home)
    with OidcProvider(client_jwk=other.jwk()) as peer:
        lab = Lab(home, peer, credential=(f'certificate_file = "{key.pem_file()}"',))
        assert lab.consent().code == 3
        assert {each["error"] for each in peer.requests()} == {"invalid_client"}


def test_a_signer_in_python_signs_each_request(home: Path) -> None:
    from partnersam import PartnerApp

    key = SigningKey(home)
    signed: list[str] = []

    def signer(algorithm: str, message: bytes) -> bytes:
        signed.append(algorithm)
        return key.sign(algorithm, message)

    with OidcProvider(client_jwk=key.jwk()) as peer:
        lab = Lab(home, peer, credential=(f'certificate_file = "{key.certificate_file()}"',))
        with PartnerApp.from_config(lab.config, signer=signer) as app:
            link = app.begin_consent("lab", [GRAPH], redirect_uri="http://127.0.0.1/")
            assert app.complete_consent(peer.sign_in(link.url).fields).mfa == "yes"
            app.token("lab", GRAPH, fresh=True)
        assert signed == ["PS256"] * len(peer.requests())
