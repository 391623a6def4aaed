"""HPKE (RFC 9180), base mode, single shot, one suite: what v2 seals to a P-256 key.

DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. pyca/cryptography has HPKE from 47 on, without
associated data; this is the RFC's own arithmetic, checked by its vectors and against pyca.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2.points import SCALAR_BYTES, private_of, public_of, raw_of
from blelockd.protocol.v2.wire import hkdf_expand, hkdf_extract, u8, u16

ENC_BYTES: Final = 65
TAG_BYTES: Final = 16
SEED_BYTES: Final = 32

_KEM: Final = 0x0010  # RFC 9180, 7.1
_KDF: Final = 0x0001  # 7.2
_AEAD: Final = 0x0002  # 7.3
_KEM_SUITE: Final = b"KEM" + u16(_KEM)
_SUITE: Final = b"HPKE" + u16(_KEM) + u16(_KDF) + u16(_AEAD)
_BASE_MODE: Final = b"\x00"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
# NIST P-256, SEC 2 version 2, 2.4.2.
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hkdf_extract(salt, b"HPKE-v1" + suite + label + secret)


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return hkdf_expand(key, u16(size) + b"HPKE-v1" + suite + label + info, size)


def derive_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """DeriveKeyPair (7.1.3) from 32 random bytes, which must never serve twice."""
    if len(seed) != SEED_BYTES:
        raise Malformed(f"a seed has {SEED_BYTES} bytes")
    key = _extract(_KEM_SUITE, b"", b"dkp_prk", seed)
    candidates = (
        int.from_bytes(_expand(_KEM_SUITE, key, b"candidate", u8(counter), SCALAR_BYTES), "big")
        for counter in range(256)
    )
    return private_of(next(scalar for scalar in candidates if 0 < scalar < _ORDER))


def seal(
    recipient: ec.EllipticCurvePublicKey, seed: bytes, info: bytes, aad: bytes, plain: bytes
) -> bytes:
    """`enc 65 || ct`: `plain` for `recipient` only. `seed` as for `derive_key`."""
    ephemeral = derive_key(seed)
    enc = raw_of(ephemeral.public_key())
    shared = ephemeral.exchange(ec.ECDH(), recipient)
    key, nonce = _schedule(shared, enc + raw_of(recipient), info)
    return enc + AESGCM(key).encrypt(nonce, plain, aad)


def unseal(own: ec.EllipticCurvePrivateKey, sealed: bytes, info: bytes, aad: bytes) -> bytes:
    """What was sealed to `own` as `enc || ct`; raises Unauthentic, whatever the cause."""
    enc, ct = sealed[:ENC_BYTES], sealed[ENC_BYTES:]
    if len(ct) < TAG_BYTES:
        raise Unauthentic
    try:
        shared = own.exchange(ec.ECDH(), public_of(enc))
        key, nonce = _schedule(shared, enc + raw_of(own.public_key()), info)
        return AESGCM(key).decrypt(nonce, ct, aad)
    except (InvalidTag, Malformed) as error:
        raise Unauthentic from error


def _schedule(shared: bytes, kem_context: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the one message: ExtractAndExpand (4.1), then KeySchedule (5.1)."""
    eae = _extract(_KEM_SUITE, b"", b"eae_prk", shared)
    secret_of_kem = _expand(_KEM_SUITE, eae, b"shared_secret", kem_context, 32)
    context = (
        _BASE_MODE
        + _extract(_SUITE, b"", b"psk_id_hash", b"")
        + _extract(_SUITE, b"", b"info_hash", info)
    )
    secret = _extract(_SUITE, secret_of_kem, b"secret", b"")
    return (
        _expand(_SUITE, secret, b"key", context, _KEY_BYTES),
        _expand(_SUITE, secret, b"base_nonce", context, _NONCE_BYTES),
    )
