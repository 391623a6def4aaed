"""An envelope from issuer to lock: sealed to LEK, signed by ISK, for one boot of one lock.

Here are only its bytes; what a lock checks, and in which order, is in gate.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import EPOCH_BYTES, DownMessage, DownType
from blelockd.protocol.v2.hpke import TAG_BYTES
from blelockd.protocol.v2.rsa_keys import (
    RSA_BYTES,
    IssuerSigningKey,
    IssuerSigningPublic,
    LockSealKey,
    LockSealPublic,
)
from blelockd.protocol.v2.wire import (
    VERSION,
    Reader,
    hkdf_expand,
    hkdf_extract,
    u8,
    u16,
    u64,
)

MAGIC: Final = b"BL"
HEADER_BYTES: Final = 64
BYTES_WITHOUT_BODY: Final = HEADER_BYTES + RSA_BYTES + TAG_BYTES + RSA_BYTES
SHORTEST_BYTES: Final = BYTES_WITHOUT_BODY + 1
LONGEST_BYTES: Final = 4096
CEK_BYTES: Final = 32
ENVELOPE_ID_BYTES: Final = 16

_DOMAIN: Final = "blelock/v2/env-sig"
_SEALED_TO: Final = HEADER_BYTES + RSA_BYTES
_KINDS: Final = frozenset(DownType)


@dataclass(frozen=True, slots=True)
class Address:
    """`issuer_id 8 | lock_key_id 8 | lock_epoch 16 | seq u64 | issued_ms u64 | expires_ms u64`."""

    issuer_id: bytes
    lock_key_id: bytes
    epoch: bytes
    seq: int
    issued: Instant
    expires: Instant

    def encode(self) -> bytes:
        """The 56 bytes."""
        ids = self.issuer_id + self.lock_key_id + self.epoch
        return ids + u64(self.seq) + u64(self.issued) + u64(self.expires)


def _key_and_iv(head: bytes, cek: bytes) -> tuple[bytes, bytes]:
    secret = hkdf_extract(hashlib.sha256(head).digest(), cek)
    key = hkdf_expand(secret, b"blelock/v2/env key", 32)
    return key, hkdf_expand(secret, b"blelock/v2/env iv", 12)


def write(
    address: Address,
    message: DownMessage,
    cek: bytes,
    lock: LockSealPublic,
    issuer: IssuerSigningKey,
) -> bytes:
    """The envelope, 848 bytes and the body; `cek` is 32 random bytes for it alone.

    Raises Malformed when it would be longer than a lock takes.
    """
    body = message.encode()
    lengths = u16(RSA_BYTES) + u16(len(body) + TAG_BYTES)
    head = MAGIC + bytes([VERSION, message.TYPE]) + address.encode() + lengths
    if len(head) + len(body) + BYTES_WITHOUT_BODY - HEADER_BYTES > LONGEST_BYTES:
        raise Malformed(f"an envelope has at most {LONGEST_BYTES} bytes")
    sealed_to = head + lock.seal(cek)
    key, iv = _key_and_iv(head, cek)
    sealed = sealed_to + AESGCM(key).encrypt(iv, body, sealed_to)
    return sealed + issuer.sign(_DOMAIN, sealed)


def envelope_id(raw: bytes) -> bytes:
    """H(envelope)[:16], by which a lock acknowledges it."""
    return hashlib.sha256(raw).digest()[:ENVELOPE_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message that has the form of an envelope: as yet neither verified nor opened."""

    kind: DownType
    address: Address
    raw: bytes = field(repr=False)

    @classmethod
    def decode(cls, raw: bytes) -> Envelope:
        """The envelope; raises Malformed."""
        if not SHORTEST_BYTES <= len(raw) <= LONGEST_BYTES:
            raise Malformed(f"an envelope has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes")
        reader = Reader(raw)
        reader.expect(MAGIC + u8(VERSION), "the beginning of the envelope")
        kind = reader.take(1)[0]
        if kind not in _KINDS:
            raise Malformed("an envelope of unknown type")
        address = Address(
            reader.take(8),
            reader.take(8),
            reader.take(EPOCH_BYTES),
            reader.u64(),
            reader.instant(),
            reader.instant(),
        )
        reader.expect(u16(RSA_BYTES), "the length of the sealed key")
        reader.expect(u16(len(raw) - _SEALED_TO - RSA_BYTES), "the length of what is sealed")
        return cls(DownType(kind), address, raw)

    def verify(self, issuer: IssuerSigningPublic) -> None:
        """Returns if `issuer` signed all that is before the signature; raises Unauthentic."""
        issuer.verify(_DOMAIN, self.raw[:-RSA_BYTES], self.raw[-RSA_BYTES:])

    def open(self, lock: LockSealKey) -> bytes:
        """The body; raises Unauthentic, whatever the cause. Verify first."""
        head, sealed_to = self.raw[:HEADER_BYTES], self.raw[:_SEALED_TO]
        cek = lock.open_sealed(sealed_to[HEADER_BYTES:])
        if len(cek) != CEK_BYTES:
            raise Unauthentic
        key, iv = _key_and_iv(head, cek)
        try:
            return AESGCM(key).decrypt(iv, self.raw[_SEALED_TO:-RSA_BYTES], sealed_to)
        except InvalidTag as error:
            raise Unauthentic from error
