"""P-256 points as v2 writes them: 65 bytes, the first of them 04, and on the curve, or refused."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from blelockd.protocol.errors import Malformed

POINT_BYTES: Final = 65
SCALAR_BYTES: Final = 32
CURVE: Final = ec.SECP256R1()
_UNCOMPRESSED: Final = 0x04


def public_of(raw: bytes) -> ec.EllipticCurvePublicKey:
    """The key of an uncompressed point; raises Malformed for every other form."""
    if len(raw) != POINT_BYTES or raw[0] != _UNCOMPRESSED:
        raise Malformed("a P-256 point has 65 bytes and begins with 04")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVE, raw)
    except ValueError as error:
        raise Malformed("the point is not on the curve") from error


def private_of(scalar: int) -> ec.EllipticCurvePrivateKey:
    """The private key with that scalar."""
    return ec.derive_private_key(scalar, CURVE)


def raw_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 bytes of a public key."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def spki_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
