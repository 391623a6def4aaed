"""The P-256 keys of v2, one type for each use: a key that seals cannot sign, nor one for another.

IEK and eph open what was sealed to them (HPKE); GSK and LSK sign (ECDSA, raw r || s, 64 bytes).
"""

from __future__ import annotations

from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import GuestId
from blelockd.protocol.v2 import hpke
from blelockd.protocol.v2.pem import private_from_pem
from blelockd.protocol.v2.points import SCALAR_BYTES, public_of, raw_of, spki_of
from blelockd.protocol.v2.wire import digest, label

SIGNATURE_BYTES: Final = 64
_ECDSA: Final = ec.ECDSA(hashes.SHA256())


class PublicPoint:
    """Somebody's P-256 public key. Equal to another of the same type and the same point."""

    __slots__ = ("_key", "raw")

    def __init__(self, raw: bytes) -> None:
        self._key = public_of(raw)
        self.raw = raw
        """The 65 bytes of the point."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {digest(self.raw)[:8].hex()}>"


class SealablePoint(PublicPoint):
    """A key that messages are sealed to, and nothing else."""

    __slots__ = ()

    def seal(self, seed: bytes, info: bytes, aad: bytes, plain: bytes) -> bytes:
        """`enc || ct` by HPKE; `seed` is 32 random bytes for this message only."""
        return hpke.seal(self._key, seed, info, aad, plain)


class VerifyingPoint(PublicPoint):
    """A key that ECDSA signatures are verified with, and nothing else."""

    __slots__ = ()

    def verify(self, domain: str, signed: bytes, signature: bytes) -> None:
        """Returns if the 64 bytes are this key's over LBL(domain) || H(signed).

        Raises Unauthentic. A signature has a twin (r, -s): never tell messages apart by it.
        """
        if len(signature) != SIGNATURE_BYTES:
            raise Unauthentic
        numbers = (signature[:SCALAR_BYTES], signature[SCALAR_BYTES:])
        der = encode_dss_signature(*(int.from_bytes(number, "big") for number in numbers))
        try:
            self._key.verify(der, label(domain) + digest(signed), _ECDSA)
        except InvalidSignature as error:
            raise Unauthentic from error


class IssuerSealPublic(SealablePoint):
    """IEK, public: guests and locks seal to it."""

    __slots__ = ()

    @property
    def iek_id(self) -> bytes:
        """H(point)[:4]: a look-up hint."""
        return digest(self.raw)[:4]


class EphemeralPublic(SealablePoint):
    """eph, public: the issuer seals one answer to it."""

    __slots__ = ()


class GuestSigningPublic(VerifyingPoint):
    """GSK, public: what the issuer knows of a guest."""

    __slots__ = ()

    @property
    def guest_id(self) -> GuestId:
        """H(SPKI)[:16]."""
        return GuestId(digest(spki_of(self._key))[:16])


class LockSigningPublic(VerifyingPoint):
    """LSK, public: the issuer verifies with it what a lock says."""

    __slots__ = ()


class _PrivatePoint:
    """One's own P-256 key; prints as its type only."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        if not isinstance(key.curve, ec.SECP256R1):
            raise Malformed("the key is not on the curve P-256")
        self._key = key

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """The key in an unencrypted PEM file; raises Malformed with the reason."""
        key = private_from_pem(pem)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Malformed("not a P-256 private key")
        return cls(key)

    @classmethod
    def derive(cls, seed: bytes) -> Self:
        """The key of 32 random bytes (RFC 9180, 7.1.3), which are as secret as the key."""
        return cls(hpke.derive_key(seed))

    def pem(self) -> bytes:
        """The key itself as PKCS #8, unencrypted: for the owner's key file and for nothing else."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def _point(self) -> bytes:
        return raw_of(self._key.public_key())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class _OpeningKey(_PrivatePoint):
    __slots__ = ()

    def open_sealed(self, sealed: bytes, info: bytes, aad: bytes) -> bytes:
        """What was sealed to this key as `enc || ct`; raises Unauthentic."""
        return hpke.unseal(self._key, sealed, info, aad)


class _SigningKey(_PrivatePoint):
    __slots__ = ()

    def sign(self, domain: str, to_sign: bytes) -> bytes:
        """ECDSA over LBL(domain) || H(to_sign), as r || s."""
        r, s = decode_dss_signature(self._key.sign(label(domain) + digest(to_sign), _ECDSA))
        return r.to_bytes(SCALAR_BYTES, "big") + s.to_bytes(SCALAR_BYTES, "big")


class IssuerSealKey(_OpeningKey):
    """IEK: opens requests, enrolments and what locks say."""

    __slots__ = ()

    @property
    def public_key(self) -> IssuerSealPublic:
        """The half that others may know."""
        return IssuerSealPublic(self._point())


class EphemeralKey(_OpeningKey):
    """eph: opens the answer to one request; in memory only."""

    __slots__ = ()

    @property
    def public_key(self) -> EphemeralPublic:
        """The half that goes into the request."""
        return EphemeralPublic(self._point())


class GuestSigningKey(_SigningKey):
    """GSK: signs a guest's requests."""

    __slots__ = ()

    @property
    def public_key(self) -> GuestSigningPublic:
        """The half that the issuer learns by enrolment."""
        return GuestSigningPublic(self._point())


class LockSigningKey(_SigningKey):
    """LSK: signs what a lock says."""

    __slots__ = ()

    @property
    def public_key(self) -> LockSigningPublic:
        """The half on the lock's card."""
        return LockSigningPublic(self._point())
