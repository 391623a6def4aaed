"""RSA keys that are fit to use: right type, long enough, with a fingerprint people can compare.

The seed's wire (docs/protocol.md, v1) seals with OAEP and signs with PSS, both on SHA-256.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from blelockd.protocol.errors import Malformed, Unauthentic

MINIMUM_BITS: Final = 2048
MAXIMUM_BITS: Final = 4096
PUBLIC_EXPONENT: Final = 65537
MAXIMUM_PEM_BYTES: Final = 8192

_SHA256: Final = hashes.SHA256()
_OAEP: Final = padding.OAEP(mgf=padding.MGF1(_SHA256), algorithm=_SHA256, label=None)
_PSS: Final = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=padding.PSS.MAX_LENGTH)


def _check_strength(bits: int, exponent: int) -> None:
    if not MINIMUM_BITS <= bits <= MAXIMUM_BITS:
        raise Malformed(
            f"the RSA key has {bits} bits; {MINIMUM_BITS} to {MAXIMUM_BITS} are accepted"
        )
    if exponent != PUBLIC_EXPONENT:
        raise Malformed(f"the RSA key's exponent is not {PUBLIC_EXPONENT}")


def _check_size(pem: bytes) -> None:
    if len(pem) > MAXIMUM_PEM_BYTES:
        raise Malformed(f"a PEM key has at most {MAXIMUM_PEM_BYTES} bytes")


class PublicKey:
    """Somebody's RSA public key, of 2048 to 4096 bits."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        _check_strength(key.key_size, key.public_numbers().e)
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """The key in a PEM SubjectPublicKeyInfo; raises Malformed with the reason."""
        _check_size(pem)
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Malformed("not a PEM public key") from error
        if not isinstance(key, rsa.RSAPublicKey):
            raise Malformed("not an RSA public key")
        return cls(key)

    @property
    def bits(self) -> int:
        """Length of the modulus."""
        return self._key.key_size

    def pem(self) -> bytes:
        """PEM SubjectPublicKeyInfo."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def fingerprint(self) -> str:
        """First 128 bits of SHA-256 over the DER key, as 8 groups of 4 hex digits."""
        der = self._key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashlib.sha256(der).hexdigest()[:32]
        return " ".join(digest[i : i + 4] for i in range(0, 32, 4))

    @property
    def largest_sealed_bytes(self) -> int:
        """How many bytes one OAEP block of this key carries (RFC 8017, 7.1.1)."""
        return self._key.key_size // 8 - 2 * _SHA256.digest_size - 2

    def seal(self, secret: bytes) -> bytes:
        """RSA-OAEP (SHA-256, no label); raises Malformed when `secret` is too long for the key."""
        if len(secret) > self.largest_sealed_bytes:
            raise Malformed(f"{len(secret)} bytes do not fit one block of the recipient's key")
        return self._key.encrypt(secret, _OAEP)

    def verify(self, signature: bytes, signed: bytes) -> None:
        """Returns if `signature` is this key's RSA-PSS over `signed`; raises Unauthentic."""
        try:
            self._key.verify(signature, signed, _PSS, _SHA256)
        except (InvalidSignature, ValueError) as error:
            raise Unauthentic from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.pem() == other.pem()

    def __hash__(self) -> int:
        return hash(self.pem())

    def __repr__(self) -> str:
        return f"<PublicKey {self.fingerprint()}>"


class PrivateKey:
    """One's own RSA key, of 2048 to 4096 bits; prints as its public fingerprint only."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        _check_strength(key.key_size, key.public_key().public_numbers().e)
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> PrivateKey:
        """The key in an unencrypted PEM file; raises Malformed with the reason."""
        _check_size(pem)
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except TypeError as error:
            raise Malformed(
                "the private key is encrypted; a daemon cannot type a password"
            ) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Malformed("not a PEM private key") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Malformed("not an RSA private key")
        return cls(key)

    @property
    def bits(self) -> int:
        """Length of the modulus."""
        return self._key.key_size

    @property
    def public_key(self) -> PublicKey:
        """The half that others may know."""
        return PublicKey(self._key.public_key())

    def open_sealed(self, sealed: bytes) -> bytes:
        """The bytes somebody sealed to this key; raises Unauthentic, whatever the cause."""
        try:
            return self._key.decrypt(sealed, _OAEP)
        except ValueError as error:
            raise Unauthentic from error

    def sign(self, to_sign: bytes) -> bytes:
        """RSA-PSS (SHA-256, longest salt) over `to_sign`."""
        return self._key.sign(to_sign, _PSS, _SHA256)

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.public_key.fingerprint()}>"
