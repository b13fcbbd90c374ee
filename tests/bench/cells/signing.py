"""A refresh exchange of an app that proves itself with a certificate: how often its key signs, and what an exchange costs then.

An assertion lives for minutes, so its cost must not come back with each exchange. Signatures are counted where each library makes them: in
MSAL's own signer, and in a `signer=` callable that partnersam is given instead of the key.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msal
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from msal.oauth2cli.assertion import JwtAssertionCreator

from cells import arguments, msal_client, partnersam_client
from cells.arguments import Arguments
from cells.measure import Stopwatch, report_time
from cells.refresh import WARM_UP
from cells.server import SCOPE, refresh_token, tenant_id


def msal_certificate(arguments: Arguments) -> None:
    """One client, its assertion made by itself."""
    key, certificate = key_and_certificate()
    signed = 0
    create = JwtAssertionCreator.create_normal_assertion

    def counted(self: JwtAssertionCreator, *given: Any, **named: Any) -> Any:
        nonlocal signed
        signed += 1
        return create(self, *given, **named)

    JwtAssertionCreator.create_normal_assertion = counted
    app = msal.ConfidentialClientApplication(
        arguments.server.client_id,
        client_credential={"private_key": pem_of(key), "public_certificate": pem_of(certificate)},
        authority=f"{arguments.server.authority}/{tenant_id(0)}",
        instance_discovery=False,
        verify=arguments.server.ca_file,
    )
    token = refresh_token(1)
    time_exchanges(
        arguments,
        lambda: msal_client.token_of(app.acquire_token_by_refresh_token(token, [SCOPE])),
        lambda: signed,
    )


def partnersam(arguments: Arguments) -> None:
    """A renewal into a store in memory; the key is in Python's hands, and what it signs is counted."""
    from partnersam import PartnerApp

    key, certificate = key_and_certificate()
    signed = 0

    def sign(algorithm: str, message: bytes) -> bytes:
        nonlocal signed
        signed += 1
        if algorithm != "PS256":
            raise ValueError(algorithm)
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        return key.sign(message, salted, hashes.SHA256())

    path = arguments.work / "bench-certificate.pem"
    write_private(path, pem_of(certificate))
    environment = partnersam_client.environment(arguments.server, "memory:", partnersam_client.key_file(arguments.work))
    del environment["PARTNERSAM_CLIENT_SECRET"]
    configuration = arguments.work / "bench-certificate.toml"
    write_private(configuration, f'certificate_file = "{path}"\n')
    os.environ.update(environment, PARTNERSAM_CONFIG=str(configuration))
    app = PartnerApp.from_env(signer=sign)
    partnersam_client.fill(app, range(1))
    time_exchanges(arguments, lambda: partnersam_client.rotate(app, tenant_id(0)), lambda: signed)


def time_exchanges(arguments: Arguments, exchange: Callable[[], Any], signed: Callable[[], int]) -> None:
    """Times exchanges one after another, and tells how many signatures all of them took, those before the measured ones included."""
    for _ in range(WARM_UP):
        exchange()
    with Stopwatch() as stopwatch:
        for _ in range(arguments.ops):
            exchange()
    if signed() < 1:
        raise RuntimeError("nothing was signed: the certificate was not used")
    report_time(stopwatch, arguments.ops, signatures=signed())


def key_and_certificate() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A key of the usual size, and a certificate that it signed itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def pem_of(what: rsa.RSAPrivateKey | x509.Certificate) -> str:
    """As PEM, without a passphrase."""
    if isinstance(what, x509.Certificate):
        return what.public_bytes(serialization.Encoding.PEM).decode("ascii")
    plain = serialization.NoEncryption()
    return what.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode("ascii")


def write_private(path: Path, text: str) -> None:
    """A file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")


if __name__ == "__main__":
    arguments.run({"msal": msal_certificate, "partnersam": partnersam})
