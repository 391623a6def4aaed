"""RSP: what the issuer answers to a REQ, sealed to the request's own key and signed.

A refusal is as long as a grant, and its code is inside; before the guest is known, every answer is
`headers.denied`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v2.ec_keys import EphemeralKey, EphemeralPublic
from blelockd.protocol.v2.headers import (
    ANSWER_HEADER_BYTES,
    MessageType,
    Status,
    answer_header,
    check_answer,
)
from blelockd.protocol.v2.rsa_keys import RSA_BYTES, IssuerSigningKey, IssuerSigningPublic
from blelockd.protocol.v2.terms import LOCK_HAS_IT, Terms
from blelockd.protocol.v2.tokens import Presented
from blelockd.protocol.v2.wire import Reader, digest, label, name_of, u8, u32, u64

BYTES_WITHOUT_LOCK_ID: Final = 567
SHORTEST_BYTES: Final = BYTES_WITHOUT_LOCK_ID + 1
LONGEST_BYTES: Final = BYTES_WITHOUT_LOCK_ID + 32
GRID_MS: Final = 50
"""Denials leave on a grid of this since the request was complete, so that time tells nothing."""

_INFO: Final = label("blelock/v2/rsp")
_DOMAIN: Final = "blelock/v2/rsp-sig"
_PADDING: Final = bytes(60)


class RefusalCode(IntEnum):
    """Why an enrolled guest gets no session."""

    BUSY = 10
    LOCK_OFFLINE = 11
    LIFETIME = 12
    REVOKED = 13
    OUTSIDE_SCHEDULE = 14
    USES_SPENT = 15
    NOT_ALLOWED = 16
    LOCK_UNABLE = 17


@dataclass(frozen=True, slots=True)
class Times:
    """When the issuer had the request, and when it answered, by its clock."""

    received: Instant
    sent: Instant

    def encode(self) -> bytes:
        """`t_rx_ms u64 | t_tx_ms u64`."""
        return u64(self.received) + u64(self.sent)

    @classmethod
    def take(cls, reader: Reader) -> Times:
        """The times that come next; raises Malformed."""
        times = cls(reader.instant(), reader.instant())
        if times.sent < times.received:
            raise Malformed("the issuer answered before it was asked")
        return times


@dataclass(frozen=True, slots=True)
class Granted:
    """`session_id 16 | session_key 32 | t_rx_ms | t_tx_ms`, then the terms."""

    session_id: SessionId
    session_key: SessionKey
    times: Times
    terms: Terms

    def encode(self) -> bytes:
        """The body: 82 bytes and the lock id."""
        ids = self.session_id.raw + self.session_key.reveal()
        return ids + self.times.encode() + self.terms.encode()

    @classmethod
    def decode(cls, body: bytes) -> Granted:
        """The grant in a body; raises Malformed."""
        reader = Reader(body)
        session_id, key = SessionId(reader.take(16)), SessionKey(reader.take(32))
        granted = cls(session_id, key, Times.take(reader), Terms.take(reader, LOCK_HAS_IT))
        reader.done()
        return granted

    @property
    def lock_id(self) -> LockId:
        """The lock that it opens."""
        return self.terms.lock_id

    def session(self, presented: Presented | None = None) -> Session:
        """The session for the guest, in the issuer's time."""
        return self.terms.session(self.session_id, self.session_key, presented=presented)


@dataclass(frozen=True, slots=True)
class Refused:
    """`code u8 | retry_s u32 | t_rx_ms | t_tx_ms | 60 zero | L u8 | lock_id`."""

    code: RefusalCode
    retry_seconds: int
    times: Times
    lock_id: LockId

    def encode(self) -> bytes:
        """The body: 82 bytes and the lock id."""
        said = u8(self.code) + u32(self.retry_seconds) + self.times.encode()
        return said + _PADDING + name_of(self.lock_id)

    @classmethod
    def decode(cls, body: bytes) -> Refused:
        """The refusal in a body; raises Malformed."""
        reader = Reader(body)
        code = reader.number(1, min(RefusalCode), max(RefusalCode), "the reason")
        retry_seconds = int.from_bytes(reader.take(4), "big")
        times = Times.take(reader)
        reader.expect(_PADDING, "the padding")
        refused = cls(RefusalCode(code), retry_seconds, times, reader.lock_id())
        reader.done()
        return refused


@dataclass(frozen=True, slots=True)
class Asked:
    """What a guest keeps of a request until it is answered, in memory only."""

    request: bytes
    lock_id: LockId
    ephemeral: EphemeralKey


def write(
    answer: Granted | Refused,
    request: bytes,
    guest: EphemeralPublic,
    issuer: IssuerSigningKey,
    seed: bytes,
) -> bytes:
    """The answer to the message `request`, 567 bytes and the lock id.

    `guest` is the key in that request; `seed` is 32 random bytes for this answer alone.
    """
    status = Status.GRANTED if isinstance(answer, Granted) else Status.REFUSED
    head, asked, body = (
        answer_header(MessageType.RSP, status, request),
        digest(request),
        answer.encode(),
    )
    signature = issuer.sign(_DOMAIN, head + asked + body)
    return head + guest.seal(seed, _INFO + asked, head, body + signature)


def read(raw: bytes, asked: Asked, issuer: IssuerSigningPublic) -> Granted | Refused:
    """What the issuer whose key is pinned answers.

    Raises NotForUs, Denied, Malformed or Unauthentic: whatever it is, wait on for the real answer.
    """
    status = check_answer(raw, MessageType.RSP, asked.request)
    if not SHORTEST_BYTES <= len(raw) <= LONGEST_BYTES:
        raise Malformed(f"an answer has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes")
    head, sealed = raw[:ANSWER_HEADER_BYTES], raw[ANSWER_HEADER_BYTES:]
    hashed = digest(asked.request)
    plain = asked.ephemeral.open_sealed(sealed, _INFO + hashed, head)
    body, signature = plain[:-RSA_BYTES], plain[-RSA_BYTES:]
    issuer.verify(_DOMAIN, head + hashed + body, signature)
    kind = Granted if status is Status.GRANTED else Refused
    answer = kind.decode(body)
    if answer.lock_id != asked.lock_id:
        raise Unauthentic("the answer is for another lock")
    return answer
