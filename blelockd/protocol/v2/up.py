"""What a lock tells its issuer on `locks/{lock_id}/v2/up`: signed by LSK, sealed to IEK.

`BL | ver | type | issuer_id 8 | lock_key_id 8 | iek_id 4 | enc 65 | ct | sig 64`. The signature is
over the hash of the lock's id and all before it, so that the issuer opens nothing that no lock has
signed, and takes nothing for one door that another door with the same keys has said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.ec_keys import (
    SIGNATURE_BYTES,
    IssuerSealKey,
    IssuerSealPublic,
    LockSigningKey,
    LockSigningPublic,
)
from blelockd.protocol.v2.envelope import MAGIC
from blelockd.protocol.v2.hpke import ENC_BYTES, TAG_BYTES
from blelockd.protocol.v2.reports import UpMessage, UpType, body_bytes, decode_body
from blelockd.protocol.v2.tokens import lock_hash
from blelockd.protocol.v2.wire import VERSION, Reader, digest, label, u8

HEADER_BYTES: Final = 24
MESSAGE_ID_BYTES: Final = 16
BYTES_WITHOUT_BODY: Final = HEADER_BYTES + ENC_BYTES + TAG_BYTES + SIGNATURE_BYTES

_INFO: Final = label("blelock/v2/up")
_DOMAIN: Final = "blelock/v2/up-sig"
_KINDS: Final = frozenset(UpType)


@dataclass(frozen=True, slots=True)
class Sender:
    """`issuer_id 8 | lock_key_id 8 | iek_id 4`: from which lock, to which key of which issuer."""

    issuer_id: bytes
    lock_key_id: bytes
    iek_id: bytes

    def encode(self) -> bytes:
        """The 20 bytes."""
        return self.issuer_id + self.lock_key_id + self.iek_id


def write(
    sender: Sender,
    message: UpMessage,
    lock_id: LockId,
    keys: tuple[LockSigningKey, IssuerSealPublic],
    seed: bytes,
) -> bytes:
    """The message of that lock, 169 bytes and the body; `seed` is 32 random bytes for it alone."""
    lock, issuer = keys
    head = MAGIC + bytes([VERSION, message.TYPE]) + sender.encode()
    sealed = head + issuer.seal(seed, _INFO + head, head, message.encode())
    return sealed + lock.sign(_DOMAIN, lock_hash(lock_id) + sealed)


@dataclass(frozen=True, slots=True)
class Report:
    """A message that has the form of a lock's. `lock_key_id` says whose key to verify it with."""

    kind: UpType
    sender: Sender
    raw: bytes = field(repr=False)

    @classmethod
    def decode(cls, raw: bytes) -> Report:
        """The message; raises Malformed."""
        reader = Reader(raw)
        reader.expect(MAGIC + u8(VERSION), "the beginning of the message")
        kind = reader.take(1)[0]
        if kind not in _KINDS:
            raise Malformed("a message of unknown type")
        sender = Sender(reader.take(8), reader.take(8), reader.take(4))
        if len(raw) != BYTES_WITHOUT_BODY + body_bytes(UpType(kind)):
            raise Malformed("the message has not the length of its type")
        return cls(UpType(kind), sender, raw)

    @property
    def message_id(self) -> bytes:
        """H(all before the signature)[:16]: the same for both signatures that one message has."""
        return digest(self.raw[:-SIGNATURE_BYTES])[:MESSAGE_ID_BYTES]

    def open(self, lock_id: LockId, lock: LockSigningPublic, issuer: IssuerSealKey) -> UpMessage:
        """What that lock says: the one on whose topic it came, with the key of its card.

        Raises Unauthentic, or Malformed for what no lock writes.
        """
        sealed, signature = self.raw[:-SIGNATURE_BYTES], self.raw[-SIGNATURE_BYTES:]
        lock.verify(_DOMAIN, lock_hash(lock_id) + sealed, signature)
        head = sealed[:HEADER_BYTES]
        return decode_body(self.kind, issuer.open_sealed(sealed[HEADER_BYTES:], _INFO + head, head))
