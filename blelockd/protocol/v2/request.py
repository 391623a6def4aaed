"""REQ: a guest asks for a session. Decoded, opened and verified in that order, by types.

`decode` gives a SealedRequest, `open` an OpenedRequest, and only `verify` a Request: what an issuer
may act on. Between them come the challenge, the rate limits, and the look-up of the guest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import GuestId, LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.ec_keys import (
    SIGNATURE_BYTES,
    EphemeralPublic,
    GuestSigningKey,
    GuestSigningPublic,
    IssuerSealKey,
    IssuerSealPublic,
)
from blelockd.protocol.v2.headers import REQUEST_HEADER_BYTES, MessageType, RequestHeader
from blelockd.protocol.v2.points import POINT_BYTES
from blelockd.protocol.v2.wire import Reader, label, name_of, u8, u32, u64

NONCE_BYTES: Final = 16
BYTES_WITHOUT_LOCK_ID: Final = 288
SHORTEST_BYTES: Final = BYTES_WITHOUT_LOCK_ID + 1
LONGEST_BYTES: Final = BYTES_WITHOUT_LOCK_ID + 32

_INFO: Final = label("blelock/v2/req")
_DOMAIN: Final = "blelock/v2/req-sig"


@dataclass(frozen=True, slots=True)
class Request:
    """`guest_id 16 | eph 65 | nonce 16 | client_time_ms u64 | ttl_s u32 | flags 0 | L | lock_id`.

    `client_time` is for the log only; `ttl_seconds` is what the guest wishes, 0 for the usual.
    """

    guest_id: GuestId
    ephemeral: EphemeralPublic
    nonce: bytes
    client_time: Instant
    ttl_seconds: int
    lock_id: LockId

    def encode(self) -> bytes:
        """The body."""
        who = self.guest_id.raw + self.ephemeral.raw + self.nonce
        wish = u64(self.client_time) + u32(self.ttl_seconds) + u8(0)
        return who + wish + name_of(self.lock_id)

    @classmethod
    def decode(cls, body: bytes) -> Request:
        """The request in a body; raises Malformed."""
        reader = Reader(body)
        guest_id = GuestId(reader.take(16))
        ephemeral = EphemeralPublic(reader.take(POINT_BYTES))
        nonce = reader.take(NONCE_BYTES)
        client_time = reader.instant()
        ttl_seconds = int.from_bytes(reader.take(4), "big")
        reader.flags(0)
        lock_id = reader.lock_id()
        reader.done()
        return cls(guest_id, ephemeral, nonce, client_time, ttl_seconds, lock_id)


def write(
    header: RequestHeader,
    request: Request,
    guest: GuestSigningKey,
    issuer: IssuerSealPublic,
    seed: bytes,
) -> bytes:
    """The message, 288 bytes and the lock id. `seed` is 32 random bytes for it alone."""
    head, body = header.encode(), request.encode()
    return head + issuer.seal(seed, _INFO + head, head, body + guest.sign(_DOMAIN, head + body))


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """A request that was sealed to this issuer, by nobody knows whom."""

    header: RequestHeader
    guest_id: GuestId
    _request: Request = field(repr=False)
    _body: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    def verify(self, guest: GuestSigningPublic) -> Request:
        """The request, if `guest` has signed it and is whom it names; raises Unauthentic."""
        if guest.guest_id != self.guest_id:
            raise Unauthentic
        guest.verify(_DOMAIN, self.header.encode() + self._body, self._signature)
        return self._request


@dataclass(frozen=True, slots=True)
class SealedRequest:
    """A message that has the form of a REQ."""

    header: RequestHeader
    raw: bytes = field(repr=False)

    @classmethod
    def decode(cls, raw: bytes) -> SealedRequest:
        """The message; raises Malformed. Look at header and challenge next, then `open`."""
        if not SHORTEST_BYTES <= len(raw) <= LONGEST_BYTES:
            raise Malformed(f"a request has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes")
        header = RequestHeader.decode(raw)
        if header.kind is not MessageType.REQ:
            raise Malformed("not a request")
        return cls(header, raw)

    def open(self, issuer: IssuerSealKey) -> OpenedRequest:
        """What is inside; raises Unauthentic or, for what no guest writes, Malformed."""
        head = self.raw[:REQUEST_HEADER_BYTES]
        plain = issuer.open_sealed(self.raw[REQUEST_HEADER_BYTES:], _INFO + head, head)
        body, signature = plain[:-SIGNATURE_BYTES], plain[-SIGNATURE_BYTES:]
        request = Request.decode(body)
        return OpenedRequest(self.header, request.guest_id, request, body, signature)
