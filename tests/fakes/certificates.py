"""Certificates for an afternoon: an authority, a broker and a client that it vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_AN_AFTERNOON: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate and its private key, as PEM files."""

    certificate_file: Path
    key_file: Path


class Authority:
    """Signs certificates, and keeps all files in one directory."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate(name, name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.file = directory / f"{name}.crt"
        self._write(builder, self.file)

    def vouch_for(self, name: str, *, address: str | None = None) -> Credentials:
        """A certificate for `name`, which is good for the IP `address` or for that host name."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative: x509.GeneralName = (
            x509.DNSName(name) if address is None else x509.IPAddress(IPv4Address(address))
        )
        builder = _certificate(name, self._name, key.public_key()).add_extension(
            x509.SubjectAlternativeName([alternative]), critical=False
        )
        made = Credentials(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        self._write(builder, made.certificate_file)
        made.key_file.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return made

    def _write(self, builder: x509.CertificateBuilder, file: Path) -> None:
        signed = builder.sign(self._key, hashes.SHA256())
        file.write_bytes(signed.public_bytes(Encoding.PEM))


def _certificate(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _AN_AFTERNOON)
        .not_valid_after(now + _AN_AFTERNOON)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
