"""A certificate authority of the operator's own, who vouches for one broker and nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from blelockd.protocol.opaque import Opaque

# A machine without a battery for its clock may think that it is the day its image was made.
_GOOD_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
# Whatever runs out cuts the locks off from their issuer, and nobody renews it by itself.
_AUTHORITY_LASTS: Final = timedelta(days=20 * 365)
_SERVER_LASTS: Final = timedelta(days=10 * 365)
_NAME: Final = "blelock broker authority"
_CURVE: Final = ec.SECP256R1()


class NotAnAuthority(Exception):
    """The certificate and key are not those of an authority; the text says why."""


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate (PEM), its private key (PEM), and the day from which it is no good."""

    certificate: bytes
    key: Opaque
    until: datetime


class Authority:
    """Signs the certificates of brokers. Its clients trust whoever has its key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def found(cls, now: datetime) -> Self:
        """A new one."""
        key = ec.generate_private_key(_CURVE)
        builder = _begun(_NAME, _NAME, key.public_key(), key, now + _AUTHORITY_LASTS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_key_usage(signs_certificates=True), True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Self:
        """The one whose files these are; raises NotAnAuthority."""
        try:
            loaded, private = x509.load_pem_x509_certificate(certificate), _private(key)
            constraints = loaded.extensions.get_extension_for_class(x509.BasicConstraints)
        except (ValueError, TypeError, x509.ExtensionNotFound):
            raise NotAnAuthority("the files hold no authority's certificate and key") from None
        if not constraints.value.ca or _public(loaded) != _public(private):
            raise NotAnAuthority("the key is not the certificate's")
        return cls(private, loaded)

    @property
    def certificate(self) -> bytes:
        """What its clients trust, as PEM."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def key(self) -> Opaque:
        """Its private key, as PEM."""
        return _pem(self._key)

    def vouch_for(self, host: str, now: datetime) -> Certified:
        """A new key for the broker at `host`, a name or an address, and a certificate for it."""
        key = ec.generate_private_key(_CURVE)
        until = min(now + _SERVER_LASTS, _last_day(self._certificate))
        subject = host if len(host) <= 64 else _NAME  # X.509 knows no longer common name
        builder = _begun(subject, _NAME, key.public_key(), self._key, until)
        for extension, critical in (
            (x509.SubjectAlternativeName([_alternative(host)]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_key_usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        ):
            builder = builder.add_extension(extension, critical)
        signed = builder.sign(self._key, hashes.SHA256())
        return Certified(signed.public_bytes(Encoding.PEM), _pem(key), until)


def _begun(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    until: datetime,
) -> x509.CertificateBuilder:
    """What every certificate has."""
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_GOOD_FROM)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _last_day(certificate: x509.Certificate) -> datetime:
    # The name that knows its zone came with cryptography 42, which warns of the other.
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_after_utc
    return certificate.not_valid_after.replace(tzinfo=UTC)


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("another kind of key")
    return key


def _public(of: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    # Keys themselves can be compared since cryptography 40 only.
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(key: ec.EllipticCurvePrivateKey) -> Opaque:
    return Opaque(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
