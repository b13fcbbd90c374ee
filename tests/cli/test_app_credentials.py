"""Every way in which an app can prove itself, from its configuration to the emulator, which verifies each assertion."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from cli.consents import consent

from harness.cli import Cli
from harness.emulator import Emulator
from harness.signing_key import PASSPHRASE, SigningKey

# Signs what it finds on standard input, as a tool in front of an HSM would.
COMMAND = """
import base64, os, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
with open(sys.argv[1], "rb") as file:
    key = serialization.load_pem_private_key(file.read(), None)
kind = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if os.environ["PARTNERSAM_SIGN_ALGORITHM"] == "PS256" else padding.PKCS1v15()
print(base64.b64encode(key.sign(sys.stdin.buffer.read(), kind, hashes.SHA256())).decode())
"""


@pytest.fixture
def key(home: Path, emulator: Emulator) -> SigningKey:
    """The sample app's own key, which the emulator knows."""
    return SigningKey(home, Path(emulator.app()["certificates"][0]["pem_file"]))


def configured(cli: Cli, emulator: Emulator, text: str) -> Cli:
    config = cli.home / "configured.toml"
    config.write_text(f'client_id = "{emulator.app()["client_id"]}"\n{text}')
    return cli.with_env(PARTNERSAM_CONFIG=config)


def proofs(emulator: Emulator, name: str) -> set[Any]:
    return {each[name] for each in emulator.requests()}


@pytest.mark.parametrize(
    "form", ["pem", "encrypted", "key apart", "encrypted key apart", "pfx", "chain", "RS256", "command", "federated"]
)
def test_each_way_from_consent_to_a_token(cli: Cli, emulator: Emulator, key: SigningKey, form: str) -> None:
    passphrase = f'certificate_passphrase_file = "{key.passphrase_file()}"\n'
    script = cli.home / "sign.py"
    script.write_text(COMMAND)
    text = {
        "pem": lambda: f'certificate_file = "{key.pem_file()}"\n',
        "encrypted": lambda: f'certificate_file = "{key.pem_file(PASSPHRASE)}"\n{passphrase}',
        "key apart": lambda: (
            f'certificate_file = "{key.certificate_file()}"\ncertificate_key_file = "{key.key_file()}"\n'
        ),
        "encrypted key apart": lambda: (
            f'certificate_file = "{key.certificate_file()}"\ncertificate_key_file = "{key.key_file(PASSPHRASE)}"\n{passphrase}'
        ),
        "pfx": lambda: f'certificate_file = "{key.pfx_file()}"\n{passphrase}',
        "chain": lambda: f'certificate_file = "{key.pem_file()}"\ncertificate_send_chain = true\n',
        "RS256": lambda: f'certificate_file = "{key.pem_file()}"\nassertion_algorithm = "RS256"\n',
        "command": lambda: (
            f'certificate_file = "{key.certificate_file()}"\n'
            f'credential_command = ["{sys.executable}", "{script}", "{key.key_file()}"]\n'
        ),
        "federated": lambda: f'federated_token_file = "{cli.home / "token"}"\n',
    }[form]()
    (cli.home / "token").write_text(emulator.federated_token())
    with_credential = configured(cli, emulator, text)
    consent(with_credential, emulator).expect()
    with_credential("token", "--for", "graph", "--customer", "contoso.com", "--show").expect()
    assert proofs(emulator, "credential") == {"federated" if form == "federated" else "certificate"}
    if form != "federated":
        assert proofs(emulator, "assertion_algorithm") == {"RS256" if form == "RS256" else "PS256"}
    assert proofs(emulator, "status") == {200}


def test_a_wrong_passphrase_is_told_as_one(cli: Cli, emulator: Emulator, key: SigningKey) -> None:
    wrong = cli.home / "wrong"
    wrong.write_text("not-the-passphrase\n")
    for file in (key.pem_file(PASSPHRASE), key.pfx_file()):
        text = f'certificate_file = "{file}"\ncertificate_passphrase_file = "{wrong}"\n'
        answer = configured(cli, emulator, text)("doctor", "--json").expect(3)
        (finding,) = [each for each in answer.json["findings"] if each["check"] == "app-credential"]
        assert (finding["level"], finding["error_id"]) == ("fail", "ConfigInvalid")
        assert "passphrase" in finding["message"]


def told(cli: Cli, emulator: Emulator, text: str) -> dict[str, Any]:
    """What a check-up says of the credential that this configuration has."""
    answer = configured(cli, emulator, text)("doctor", "--json")
    finding: dict[str, Any] = next(each for each in answer.json["findings"] if each["check"] == "app-credential")
    return finding


def test_what_is_wrong_with_a_credential_s_files_is_told_exactly(cli: Cli, emulator: Emulator, key: SigningKey) -> None:
    elsewhere = cli.home / "elsewhere"
    elsewhere.mkdir()
    another = SigningKey(elsewhere)
    curve = cli.home / "curve.pem"
    curve.write_text("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
    junk = cli.home / "junk"
    junk.write_bytes(b"\x00 no certificate")
    missing = cli.home / "nowhere"
    stale = cli.home / "stale"
    stale.write_text(emulator._tell("/federated-token", {"lifetime": -7200})["token"])
    certificate = f'certificate_file = "{key.certificate_file()}"\n'
    for text, words in [
        (
            f'certificate_file = "{key.pfx_file()}"\n',
            "or one with a passphrase, and certificate_passphrase_file",
        ),
        (f'certificate_file = "{junk}"\n', "neither PEM nor PFX"),
        (certificate, "holds no private key"),
        (f'{certificate}certificate_key_file = "{another.key_file()}"\n', "do not belong together"),
        (f'{certificate}certificate_key_file = "{curve}"\n', f"not RSA, and Entra takes no other: {curve}"),
        (f'{certificate}certificate_key_file = "{key.key_file(PASSPHRASE)}"\n', f"is not set: {key.folder}"),
        (f'{certificate}certificate_key_file = "{missing}"\n', f"cannot be read: {missing}"),
        (f'client_secret_file = "{missing}"\n', "client_secret_file names cannot be read"),
        (f'federated_token_file = "{missing}"\n', "federated_token_file names cannot be read"),
        (f'federated_token_file = "{junk}"\n', "not a signed JWT"),
        (f'federated_token_file = "{stale}"\n', "has ended, and nobody has written a new one"),
    ]:
        finding = told(cli, emulator, text)
        message = finding["message"].replace("~", str(cli.home), 1)
        assert (finding["level"], words in message) == ("fail", True), (text, finding)
        assert "run `partnersam init`" not in finding["fix"], finding
    (cli.home / "fresh").write_text(emulator.federated_token())
    finding = told(cli, emulator, f'federated_token_file = "{cli.home / "fresh"}"\n')
    assert (finding["level"], finding["message"].startswith("good until 20")) == ("pass", True)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no signature at all", "did not sign with the key of its certificate"),
        ("head -c 256 /dev/urandom | base64 -w 0", "did not sign with the key of its certificate"),
        ("exit 7", "the command that signs failed"),
        ("exec yes", "printed more than a signature"),
        ("sleep 5 & echo AAAA", "still holds its output"),
        ("true", "printed no signature"),
    ],
)
def test_a_command_that_does_not_sign_is_told_before_anything_is_sent(
    cli: Cli, emulator: Emulator, key: SigningKey, script: str, words: str
) -> None:
    text = f'certificate_file = "{key.certificate_file()}"\ncredential_command = ["/bin/sh", "-c", "{script}"]\n'
    config = configured(cli, emulator, text)
    token = cli.home / "token"
    token.write_text(emulator.seed_grants("admin@fabrikam.com")[0]["refresh_token"])
    token.chmod(0o600)
    emulator.forget_requests()
    error = config("import", "fabrikam.com", "--file", token, "--json").expect(3).json["error"]
    assert (error["id"], words in error["message"]) == ("AppCredentialInvalid", True), error
    assert "by hand" in error["hint"] or "certificate_file is the certificate of the key that signs" in error["hint"]
    assert emulator.requests() == []


def test_the_older_one_goes_on_while_a_new_one_spreads(cli: Cli, emulator: Emulator, key: SigningKey) -> None:
    body = {"client_id": emulator.app()["client_id"], "refuse_times": 2}
    new = emulator._tell("/certificates", body)["certificate"]
    with_both = configured(
        cli,
        emulator,
        f'certificate_file = "{new["pem_file"]}"\n[older_credential]\ncertificate_file = "{key.pem_file()}"\n',
    )
    consent(with_both, emulator, "fabrikam.com", "--for", "partner-center").expect()
    first, second = emulator.requests()[:2]
    assert (first["status"], second["status"]) == (401, 200)
    assert first["assertion_key"] != second["assertion_key"]
    emulator.forget_requests()
    # Two processes more, and the new one is known everywhere: it comes first again.
    for _ in range(2):
        with_both("token", "--for", "partner-center", "--fresh").expect()
    assert [each["status"] for each in emulator.requests()] == [401, 200, 200]
    assert emulator.requests()[-1]["assertion_key"] == first["assertion_key"]


def test_init_takes_a_certificate_and_makes_none(cli: Cli, emulator: Emulator, key: SigningKey) -> None:
    config = cli.home / "by-init.toml"
    base = ("init", "--client-id", emulator.app()["client_id"], "--config", config, "--json")
    passphrase = key.passphrase_file()
    cli(*base, "--certificate-file", key.pfx_file(), "--certificate-passphrase-file", passphrase).expect()
    text = config.read_text()
    assert f'certificate_file = "{key.folder / "both.pfx"}"' in text
    assert "client_secret" not in text
    consent(cli.with_env(PARTNERSAM_CONFIG=config), emulator).expect()
    config.unlink()
    before = set(cli.home.iterdir())
    cli(*base).expect()
    assert set(cli.home.iterdir()) - before == {config}, "nothing is made without being asked"
    cli(*base, "--force", "--certificate-file", "x.pem", "--client-secret-file", "y").expect(2)
