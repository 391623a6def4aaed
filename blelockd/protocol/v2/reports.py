"""The bodies of what a lock says: HELLO, ACK, EVENT, STATUS. Each type has one length."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.v2.down import EPOCH_BYTES, HELLO_NONCE_BYTES
from blelockd.protocol.v2.envelope import ENVELOPE_ID_BYTES
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.protocol.v2.wire import Reader, i8, u8, u16, u32, u64
from blelockd.protocol.verdict import Reason


class UpType(IntEnum):
    """The fourth byte of a lock's message."""

    HELLO = 0x20
    ACK = 0x21
    EVENT = 0x22
    STATUS = 0x23


class Result(IntEnum):
    """What became of an envelope."""

    APPLIED = 0
    TOO_LATE = 1
    """A later one was taken before, and this one never: send it anew."""
    EXPIRED = 2
    NO_TIME = 3
    UNREADABLE = 4
    """One code for whatever did not decrypt."""
    WRONG_LOCK = 5
    MALFORMED = 6
    STALE = 7
    """Bound to a HELLO that is not the last."""
    FULL = 8
    """There is no room for it, or its uses cannot be counted now: it may be sent anew later."""
    UNABLE = 9
    """The session's terms ask of the lock what it does not do: a challenge."""


class EventType(IntEnum):
    """What happened at the door. A refusal is 0x40 and the place of its reason.

    OPENED is told before the strike moves; a STRIKE_FAILED of the same session and slot takes it
    back, also where the strike was not moved because the use could not be counted. A failure after
    which the door may have opened is not told so.
    """

    OPENED = 0x01
    STRIKE_FAILED = 0x02
    SESSION_LEARNT = 0x03
    SESSION_ENDED = 0x04
    SESSION_REVOKED = 0x05
    EVENTS_LOST = 0x06
    """There was no room for them. The slot is how many, 0 where nobody knows; no session."""
    NO_RSSI = 0x40
    NOT_LISTED = 0x41
    TOO_FAR = 0x42
    WRONG_DEVICE = 0x43
    NOT_YET = 0x44
    EXPIRED = 0x45
    SUSPENDED = 0x46
    EARLY = 0x47
    LATE = 0x48
    JUST_STARTED = 0x49
    REPEAT = 0x4A
    REPLAY = 0x4B
    USES_SPENT = 0x4C
    FORGED = 0x4D
    WRONG_MODE = 0x4E
    NO_INTENT = 0x4F
    NOT_NEAR = 0x50
    UNKNOWN = 0x51

    @classmethod
    def refusal(cls, reason: Reason) -> EventType:
        """The event of a token that was refused for `reason`."""
        return cls[reason.name]


@dataclass(frozen=True, slots=True)
class Hello:
    """`epoch 16 | hello_nonce 16 | last_seq u64 | clock_state u8`."""

    TYPE: ClassVar = UpType.HELLO
    SIZE: ClassVar = 41
    epoch: bytes
    hello_nonce: bytes
    last_seq: int
    clock: ClockState

    def encode(self) -> bytes:
        """The body."""
        return self.epoch + self.hello_nonce + u64(self.last_seq) + u8(self.clock)

    @classmethod
    def take(cls, reader: Reader) -> Hello:
        """The greeting that comes next; raises Malformed."""
        epoch, nonce = reader.take(EPOCH_BYTES), reader.take(HELLO_NONCE_BYTES)
        return cls(epoch, nonce, reader.u64(), _clock_state(reader))


@dataclass(frozen=True, slots=True)
class Ack:
    """`epoch 16 | seq u64 | result u8 | H(envelope)[:16]`."""

    TYPE: ClassVar = UpType.ACK
    SIZE: ClassVar = 41
    epoch: bytes
    seq: int
    result: Result
    envelope_id: bytes

    def encode(self) -> bytes:
        """The body."""
        return self.epoch + u64(self.seq) + u8(self.result) + self.envelope_id

    @classmethod
    def take(cls, reader: Reader) -> Ack:
        """The acknowledgement that comes next; raises Malformed."""
        epoch, seq = reader.take(EPOCH_BYTES), reader.u64()
        result = Result(reader.number(1, Result.APPLIED, max(Result), "the result"))
        return cls(epoch, seq, result, reader.take(ENVELOPE_ID_BYTES))


@dataclass(frozen=True, slots=True)
class Event:
    """`epoch 16 | counter u64 | type u8 | session_id 16 | slot u64 | rssi i8 | time_ms u64`.

    `counter` has no gaps within an epoch and begins with 1; `epoch` is that in which it happened.
    """

    TYPE: ClassVar = UpType.EVENT
    SIZE: ClassVar = 58
    epoch: bytes
    counter: int
    kind: EventType
    session_id: SessionId
    slot: Slot
    rssi_dbm: int
    time: Instant

    def encode(self) -> bytes:
        """The body."""
        what = self.epoch + u64(self.counter) + u8(self.kind) + self.session_id.raw
        return what + u64(self.slot) + i8(self.rssi_dbm) + u64(self.time)

    @classmethod
    def take(cls, reader: Reader) -> Event:
        """The event that comes next; raises Malformed."""
        epoch, counter, kind = reader.take(EPOCH_BYTES), reader.u64(), reader.take(1)[0]
        if kind not in _EVENT_TYPES:
            raise Malformed("an event of unknown type")
        session_id, slot = SessionId(reader.take(16)), Slot(reader.u64())
        rssi_dbm = reader.signed(127, "the signal")
        return cls(epoch, counter, EventType(kind), session_id, slot, rssi_dbm, reader.instant())


@dataclass(frozen=True, slots=True)
class LockStatus:
    """`epoch 16 | last_seq u64 | clock_state u8 | sessions u16 | waiting u32 | uptime_s u32`."""

    TYPE: ClassVar = UpType.STATUS
    SIZE: ClassVar = 35
    epoch: bytes
    last_seq: int
    clock: ClockState
    sessions: int
    events_waiting: int
    uptime_seconds: int

    def encode(self) -> bytes:
        """The body."""
        state = self.epoch + u64(self.last_seq) + u8(self.clock) + u16(self.sessions)
        return state + u32(self.events_waiting) + u32(self.uptime_seconds)

    @classmethod
    def take(cls, reader: Reader) -> LockStatus:
        """The status that comes next; raises Malformed."""
        epoch, last_seq, clock = reader.take(EPOCH_BYTES), reader.u64(), _clock_state(reader)
        counts = (int.from_bytes(reader.take(size), "big") for size in (2, 4, 4))
        return cls(epoch, last_seq, clock, *counts)


UpMessage = Hello | Ack | Event | LockStatus

_EVENT_TYPES: Final = frozenset(EventType)
_CLASSES: Final[dict[UpType, type[UpMessage]]] = {
    UpType.HELLO: Hello,
    UpType.ACK: Ack,
    UpType.EVENT: Event,
    UpType.STATUS: LockStatus,
}


def _clock_state(reader: Reader) -> ClockState:
    return ClockState(reader.number(1, ClockState.NONE, ClockState.LAPSED, "the clock's state"))


def body_bytes(kind: UpType) -> int:
    """The length of a body of that type."""
    return _CLASSES[kind].SIZE


def decode_body(kind: UpType, body: bytes) -> UpMessage:
    """The message in a body; raises Malformed."""
    reader = Reader(body)
    message = _CLASSES[kind].take(reader)
    reader.done()
    return message
