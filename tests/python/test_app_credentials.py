"""How the app proves itself: callables for a key or an assertion that is elsewhere, and the warning before a credential ends."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from python.partner import answer, consent, environment, open_app

from harness.emulator import Emulator
from partnersam import IdentityError, PartnerSamError, PartnerSamWarning
from partnersam.aio import PartnerApp as AioApp


class Key:
    """A key that partnersam never sees; it counts what it signed."""

    def __init__(self, emulator: Emulator, home: Path) -> None:
        pem = Path(emulator.app()["certificates"][0]["pem_file"]).read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.key = key
        # The certificate alone: what is configured holds no key.
        self.file = home / "certificate.pem"
        certificate = x509.load_pem_x509_certificate(pem)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.signed: list[str] = []
        self.threads: set[int] = set()

    def __call__(self, algorithm: str, message: bytes) -> bytes:
        self.signed.append(algorithm)
        self.threads.add(threading.get_ident())
        if algorithm == "PS256":
            return self.key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_a_signer_signs_once_for_all_tokens_of_a_tenant(emulator: Emulator, home: Path, algorithm: str) -> None:
    signer = Key(emulator, home)
    with open_app(
        emulator, home, signer=signer, certificate_file=str(signer.file), assertion_algorithm=algorithm
    ) as app:
        consent(emulator, app)
        for _ in range(5):
            app.token("fabrikam.com", "graph", fresh=True)
        assert signer.signed == [algorithm]
        app.token("fabrikam.com", "graph", "contoso.com")
        assert signer.signed == [algorithm] * 2, "another tenant is another audience"
    assert threading.get_ident() not in signer.threads
    assert {each["credential"] for each in emulator.requests()} == {"certificate"}
    assert {each["assertion_algorithm"] for each in emulator.requests()} == {algorithm}


def test_a_signer_needs_a_certificate(emulator: Emulator, home: Path) -> None:
    with pytest.raises(PartnerSamError, match="certificate_file is not set"):
        open_app(emulator, home, signer=lambda _algorithm, _message: b"")
    with pytest.raises(TypeError, match="signer must be callable"):
        open_app(emulator, home, signer="no function")


def test_an_assertion_is_fetched_for_each_use(emulator: Emulator, home: Path) -> None:
    fetched: list[str] = []

    def assertion() -> str:
        fetched.append(emulator.federated_token())
        return fetched[-1]

    with open_app(emulator, home, assertion=assertion) as app:
        consent(emulator, app)
        app.token("fabrikam.com", "graph", fresh=True)
    assert len(fetched) == len(emulator.requests()) >= 4
    assert {each["credential"] for each in emulator.requests()} == {"federated"}


@pytest.mark.parametrize("result", [ValueError("test-secret-in-an-exception"), 7, b""])
def test_what_a_callable_does_wrong_is_told(emulator: Emulator, home: Path, result: Any) -> None:
    key = Key(emulator, home)

    def signer(_algorithm: str, _message: bytes) -> bytes:
        if isinstance(result, Exception):
            raise result
        return result  # type: ignore[no-any-return]

    with open_app(emulator, home, signer=signer, certificate_file=str(key.file)) as app:
        with pytest.raises(IdentityError) as refused:
            consent(emulator, app)
        assert refused.value.id == "AppCredentialInvalid"
        assert "test-secret" not in f"{refused.value!r} {refused.value} {refused.value.to_dict()}"
        if isinstance(result, Exception):
            assert refused.value.__cause__ is result
        elif result == 7:
            assert isinstance(refused.value.__cause__, TypeError)


def test_what_it_raises_when_nobody_waits_goes_to_the_hook(
    emulator: Emulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, release, told = Key(emulator, home), threading.Event(), threading.Event()

    def hook(report: Any) -> None:
        if isinstance(report.exc_value, LookupError):
            told.set()

    def signer(_algorithm: str, _message: bytes) -> bytes:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        release.wait(20)
        raise LookupError("test")

    monkeypatch.setattr("sys.unraisablehook", hook)
    with open_app(emulator, home, signer=signer, certificate_file=str(key.file)) as app:
        with pytest.raises(KeyboardInterrupt):
            consent(emulator, app)
        assert not told.is_set()
        release.set()
        assert told.wait(20)


def test_ctrl_c_ends_the_wait_for_a_callable(emulator: Emulator, home: Path) -> None:
    release = threading.Event()
    key = Key(emulator, home)

    def slow(algorithm: str, message: bytes) -> bytes:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        release.wait(20)
        return key(algorithm, message)

    with open_app(emulator, home, signer=slow, certificate_file=str(key.file)) as app:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            consent(emulator, app)
        release.set()
        assert time.monotonic() - began < 15


def test_a_callable_must_not_call_back_into_the_app(emulator: Emulator, home: Path) -> None:
    key = Key(emulator, home)
    inner: list[BaseException] = []

    def signer(algorithm: str, message: bytes) -> bytes:
        try:
            app.token("fabrikam.com", "graph", fresh=True)
        except PartnerSamError as error:
            inner.append(error)
        return key(algorithm, message)

    with open_app(emulator, home, signer=signer, certificate_file=str(key.file)) as app:
        consent(emulator, app)
    assert [getattr(each, "id", "") for each in inner] == ["NotSupported"]


FORKED = """
import json, os, signal
from pathlib import Path
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from partnersam import PartnerApp
key = serialization.load_pem_private_key(Path(os.environ["KEY"]).read_bytes(), None)
def signer(algorithm, message):
    return key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
app = PartnerApp.from_config(os.environ["CONFIG"], signer=signer)
app.token("fabrikam.com", "graph", fresh=True)
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        app.token("fabrikam.com", "arm", fresh=True)
        os._exit(0)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)
_, status = os.waitpid(child, 0)
app.token("fabrikam.com", "graph", "contoso.com", fresh=True)
print(json.dumps(status))
"""


def test_a_signer_works_after_a_fork(emulator: Emulator, home: Path) -> None:
    key = Key(emulator, home)
    with open_app(emulator, home) as app:
        consent(emulator, app)
    config = home / "signed.toml"
    config.write_text(f'client_id = "{emulator.app()["client_id"]}"\ncertificate_file = "{key.file}"\n')
    env = {
        **environment(emulator, home),
        "CONFIG": str(config),
        "KEY": emulator.app()["certificates"][0]["pem_file"],
    }
    assert answer("forked-signer", FORKED, env, home) == 0


def test_asyncio(emulator: Emulator, home: Path) -> None:
    key = Key(emulator, home)
    with open_app(emulator, home, signer=key, certificate_file=str(key.file)) as app:
        consent(emulator, app)

        async def main() -> tuple[str, dict[str, Any]]:
            twin = AioApp(app)
            return await twin.check_mfa("fabrikam.com"), await twin.doctor("fabrikam.com")

        mfa, document = asyncio.run(main())
        assert (mfa, document["verdict"]) == ("yes", "pass")


@pytest.mark.parametrize(("days", "standing"), [(200, "good"), (20, "ends_soon"), (-2, "ended")])
def test_a_credential_that_ends_is_warned_of(emulator: Emulator, home: Path, days: int, standing: str) -> None:
    secret = home / "secret"
    secret.write_text(emulator.app()["client_secret"])
    secret.chmod(0o600)
    day = (datetime.now(UTC) + timedelta(days=days)).date().isoformat()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        app = open_app(emulator, home, client_secret_file=str(secret), client_secret_expires=day)
    with app:
        (credential,) = app.app_credentials
    assert credential["standing"] == standing
    assert [each.category for each in caught] == ([] if standing == "good" else [PartnerSamWarning])


def test_the_certificate_says_itself_when_it_ends(emulator: Emulator, home: Path) -> None:
    certificate = emulator.app()["certificates"][0]
    with open_app(emulator, home, certificate_file=certificate["pem_file"]) as app:
        (credential,) = app.app_credentials
    assert credential["expires_on"] == certificate["expires_on"]
    assert certificate["thumbprint_sha256"] in credential["credential"]


def test_a_check_up(emulator: Emulator, home: Path) -> None:
    with open_app(emulator, home) as app:
        assert app.doctor()["verdict"] == "warn"
        consent(emulator, app)
        document = app.doctor("fabrikam.com", "contoso.com")
        assert {each["check"] for each in document["findings"]} >= {"store", "clock", "audience", "mfa", "customer"}
        assert "fabrikam" not in str(document)
