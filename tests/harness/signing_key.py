"""A key and its certificate in every form that an app's credential comes in, made anew each time."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSPHRASE = "test-passphrase"


class SigningKey:
    """An RSA key with a certificate: that of `pem_file`, else new ones."""

    def __init__(self, folder: Path, pem_file: Path | None = None) -> None:
        self.folder = folder
        if pem_file is not None:
            key = serialization.load_pem_private_key(pem_file.read_bytes(), None)
            assert isinstance(key, rsa.RSAPrivateKey)
            self.key, self.certificate = key, x509.load_pem_x509_certificate(pem_file.read_bytes())
        else:
            self.key = rsa.generate_private_key(65537, 2048)
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test app")])
            now = datetime.now(timezone.utc)
            unsigned = x509.CertificateBuilder(name, name, self.key.public_key(), 1, now, now + timedelta(days=100))
            self.certificate = unsigned.sign(self.key, hashes.SHA256())

    def jwk(self) -> dict[str, str]:
        """The public key as a JSON Web Key (RFC 7517)."""
        numbers = self.key.public_key().public_numbers()

        def number(value: int) -> str:
            raw = value.to_bytes((value.bit_length() + 7) // 8, "big")
            return base64.urlsafe_b64encode(raw).decode().rstrip("=")

        return {"kty": "RSA", "use": "sig", "kid": "test-app-key", "n": number(numbers.n), "e": number(numbers.e)}

    def certificate_file(self) -> Path:
        """The certificate alone."""
        return self._write("certificate.pem", self.certificate.public_bytes(serialization.Encoding.PEM))

    def key_file(self, passphrase: str = "") -> Path:
        """The key alone, encrypted where there is a passphrase (PKCS#8)."""
        return self._write("key.pem", self._key(passphrase))

    def pem_file(self, passphrase: str = "") -> Path:
        """Both in one file."""
        both = self._key(passphrase) + self.certificate.public_bytes(serialization.Encoding.PEM)
        return self._write("both.pem", both)

    def pfx_file(self, passphrase: str = PASSPHRASE) -> Path:
        """Both as PKCS#12."""
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
        return self._write(
            "both.pfx", pkcs12.serialize_key_and_certificates(b"app", self.key, self.certificate, None, encryption)
        )

    def passphrase_file(self) -> Path:
        """The passphrase of the others."""
        return self._write("passphrase", f"{PASSPHRASE}\n".encode())

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """What a key that is elsewhere would say."""
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return self.key.sign(message, pss if algorithm == "PS256" else padding.PKCS1v15(), hashes.SHA256())

    def _key(self, passphrase: str) -> bytes:
        encryption = (
            serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
        )
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    def _write(self, name: str, content: bytes) -> Path:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_bytes(content)
        return file
