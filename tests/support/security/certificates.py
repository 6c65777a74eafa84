"""An authority and the certificates it signs, made for one run of the tests."""

from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from streams.kafka.embedded.storage import HOST
from streams.runtime.clock import now_ms, utc

LIFE = timedelta(hours=1)
SKEW = timedelta(minutes=1)


class Authority:
    """Signs certificates for its own names alone; `certificate` is the file to trust it by."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory, self._name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._signed(
            name, self._key, x509.BasicConstraints(ca=True, path_length=0)
        )
        self.certificate = directory / f"{name}.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, password: str = "") -> tuple[Path, Path]:
        """A certificate for CN=name, and its key, encrypted where there is a password."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(name, key, x509.BasicConstraints(ca=False, path_length=None))
        files = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return files

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, use: x509.BasicConstraints
    ) -> x509.Certificate:
        now = utc(now_ms())
        builder = x509.CertificateBuilder(
            issuer_name=_named(self._name),
            subject_name=_named(name),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - SKEW,
            not_valid_after=now + LIFE,
        )
        address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))])
        signed = builder.add_extension(use, critical=True).add_extension(address, critical=False)
        return signed.sign(self._key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
