"""The RSA-3072 keys of v2, one type for each use: ISK signs (PSS), LEK opens (OAEP)."""

from __future__ import annotations

from typing import Final, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.keys import PUBLIC_EXPONENT
from blelockd.protocol.v2.pem import private_from_pem
from blelockd.protocol.v2.wire import digest, label

RSA_BITS: Final = 3072
RSA_BYTES: Final = RSA_BITS // 8
SPKI_BYTES: Final = 422
"""Every RSA-3072 key with exponent 65537 has this DER SubjectPublicKeyInfo length."""

_SHA256: Final = hashes.SHA256()
_SALT_BYTES: Final = 32
_PSS: Final = padding.PSS(mgf=padding.MGF1(_SHA256), salt_length=_SALT_BYTES)
_OAEP: Final = padding.OAEP(padding.MGF1(_SHA256), _SHA256, label=b"blelock/v2/env")


def _check_strength(bits: int, exponent: int) -> None:
    if bits != RSA_BITS:
        raise Malformed(f"the RSA key has {bits} bits; version 2 takes {RSA_BITS}")
    if exponent != PUBLIC_EXPONENT:
        raise Malformed(f"the RSA key's exponent is not {PUBLIC_EXPONENT}")


class _PublicRsa:
    """Somebody's RSA-3072 public key. Equal to another of the same type and the same number."""

    __slots__ = ("_key", "spki")

    def __init__(self, spki: bytes) -> None:
        if len(spki) != SPKI_BYTES:
            raise Malformed(f"an RSA-{RSA_BITS} key has {SPKI_BYTES} bytes of DER")
        try:
            key = serialization.load_der_public_key(spki)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Malformed("not a DER public key") from error
        if not isinstance(key, rsa.RSAPublicKey):
            raise Malformed("not an RSA public key")
        _check_strength(key.key_size, key.public_numbers().e)
        if _spki_of(key) != spki:
            raise Malformed("the key is not in the one form that DER has for it")
        self._key = key
        self.spki = spki
        """DER SubjectPublicKeyInfo."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.spki == other.spki

    def __hash__(self) -> int:
        return hash(self.spki)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {digest(self.spki)[:8].hex()}>"


def _spki_of(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


class IssuerSigningPublic(_PublicRsa):
    """ISK, public: what guests and locks pin."""

    __slots__ = ()

    @property
    def issuer_id(self) -> bytes:
        """H(SPKI)[:8]: a look-up hint."""
        return digest(self.spki)[:8]

    @property
    def pin(self) -> bytes:
        """H(SPKI)[:16]: what an invite pins."""
        return digest(self.spki)[:16]

    def verify(self, domain: str, signed: bytes, signature: bytes) -> None:
        """Returns if `signature` is this key's PSS, salt 32, over LBL(domain) || H(signed).

        Raises Unauthentic.
        """
        try:
            self._key.verify(signature, label(domain) + digest(signed), _PSS, _SHA256)
        except (InvalidSignature, ValueError) as error:
            raise Unauthentic from error


class LockSealPublic(_PublicRsa):
    """LEK, public: the issuer seals envelopes' keys to it."""

    __slots__ = ()

    @property
    def lock_key_id(self) -> bytes:
        """H(SPKI)[:8]: a look-up hint."""
        return digest(self.spki)[:8]

    def seal(self, secret: bytes) -> bytes:
        """RSA-OAEP (SHA-256, label `blelock/v2/env`), 384 bytes."""
        return self._key.encrypt(secret, _OAEP)


class _PrivateRsa:
    """One's own RSA-3072 key; prints as its type only."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        _check_strength(key.key_size, key.public_key().public_numbers().e)
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """The key in an unencrypted PEM file; raises Malformed with the reason."""
        key = private_from_pem(pem)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Malformed("not an RSA private key")
        return cls(key)

    def _spki(self) -> bytes:
        return _spki_of(self._key.public_key())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class IssuerSigningKey(_PrivateRsa):
    """ISK: signs answers and envelopes."""

    __slots__ = ()

    @property
    def public_key(self) -> IssuerSigningPublic:
        """The half that others pin."""
        return IssuerSigningPublic(self._spki())

    def sign(self, domain: str, to_sign: bytes) -> bytes:
        """RSA-PSS (SHA-256, salt 32) over LBL(domain) || H(to_sign), 384 bytes."""
        return self._key.sign(label(domain) + digest(to_sign), _PSS, _SHA256)


class LockSealKey(_PrivateRsa):
    """LEK: opens envelopes' keys."""

    __slots__ = ()

    @property
    def public_key(self) -> LockSealPublic:
        """The half on the lock's card."""
        return LockSealPublic(self._spki())

    def open_sealed(self, sealed: bytes) -> bytes:
        """The bytes sealed to this key; raises Unauthentic, whatever the cause."""
        try:
            return self._key.decrypt(sealed, _OAEP)
        except ValueError as error:
            raise Unauthentic from error
