"""The first bytes of what guest and issuer say to each other over GATT."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.info import CHALLENGE_BYTES, IEK_ID_BYTES, ISSUER_ID_BYTES, Info
from blelockd.protocol.v2.wire import SUITE, VERSION, Reader, digest, u8

REQUEST_HEADER_BYTES: Final = 32
ANSWER_HEADER_BYTES: Final = 20
REQ_ID_BYTES: Final = 16


class MessageType(IntEnum):
    """The second byte of every message."""

    REQ = 0x01
    RSP = 0x02
    ENROLL = 0x03
    ENROLLED = 0x04
    ASK_CARD = 0x05
    CARD = 0x06


class Status(IntEnum):
    """The fourth byte of every answer."""

    GRANTED = 0x00
    DENIED = 0x01
    """Neither sealed nor signed: 20 bytes that look the same for every cause."""
    REFUSED = 0x02
    """Sealed and signed; the reason is inside."""


class NotForUs(Malformed):
    """An answer to somebody else: BlueZ before 5.80 notifies every subscriber."""


class Denied(Exception):
    """The issuer, or whoever speaks in its place, says no without a reason."""


@dataclass(frozen=True, slots=True)
class RequestHeader:
    """`ver | type | suite | flags 0 | issuer_id 8 | iek_id 4 | challenge 16`."""

    kind: MessageType
    issuer_id: bytes
    iek_id: bytes
    challenge: bytes

    @classmethod
    def to(cls, info: Info, kind: MessageType) -> RequestHeader:
        """The header of a message to the issuer that has said `info`."""
        return cls(kind, info.issuer_id, info.iek_id, info.challenge)

    def encode(self) -> bytes:
        """The 32 bytes."""
        fixed = bytes([VERSION, self.kind, SUITE, 0])
        return fixed + self.issuer_id + self.iek_id + self.challenge

    @classmethod
    def decode(cls, raw: bytes) -> RequestHeader:
        """The header that `raw` begins with; raises Malformed."""
        reader = Reader(raw)
        reader.expect(u8(VERSION), "the version")
        kind = reader.take(1)[0]
        reader.expect(u8(SUITE) + u8(0), "the suite")
        return cls(
            _request_type(kind),
            reader.take(ISSUER_ID_BYTES),
            reader.take(IEK_ID_BYTES),
            reader.take(CHALLENGE_BYTES),
        )

    def check_recipient(self, issuer_id: bytes, iek_id: bytes) -> None:
        """Returns if the message is for that issuer and its present key; raises Malformed."""
        if (self.issuer_id, self.iek_id) != (issuer_id, iek_id):
            raise Malformed("the message is for another issuer")


def _request_type(kind: int) -> MessageType:
    if kind not in (MessageType.REQ, MessageType.ENROLL, MessageType.ASK_CARD):
        raise Malformed("not a type that a guest sends")
    return MessageType(kind)


def req_id(request: bytes) -> bytes:
    """H(request)[:16]: which request an answer answers."""
    return digest(request)[:REQ_ID_BYTES]


def answer_header(kind: MessageType, status: Status, request: bytes) -> bytes:
    """`ver | type | suite | status | req_id 16`."""
    return bytes([VERSION, kind, SUITE, status]) + req_id(request)


def denied(request: bytes) -> bytes:
    """The 20 bytes that answer any message, whatever was wrong with it."""
    return answer_header(MessageType.RSP, Status.DENIED, request)


def check_answer(raw: bytes, kind: MessageType, request: bytes) -> Status:
    """The status of the answer `raw` to `request`, GRANTED or REFUSED.

    Raises NotForUs, Denied (unsealed: believe it only if nothing better follows) or Malformed.
    """
    if raw == denied(request):
        raise Denied
    reader = Reader(raw)
    reader.expect(u8(VERSION), "the version")
    said_kind, suite, status = reader.take(1)[0], reader.take(1)[0], reader.take(1)[0]
    if reader.take(REQ_ID_BYTES) != req_id(request):
        raise NotForUs("the answer is to another request")
    if said_kind != kind or suite != SUITE or status not in (Status.GRANTED, Status.REFUSED):
        raise Malformed("not an answer that version 2 gives to this request")
    return Status(status)
