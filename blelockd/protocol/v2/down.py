"""What the issuer tells a lock: the bodies of the envelopes on `locks/{lock_id}/v2/down`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v2.terms import Terms
from blelockd.protocol.v2.wire import Reader, u8, u16, u32, u64

EPOCH_BYTES: Final = 16
HELLO_NONCE_BYTES: Final = 16
LONGEST_LEASE_SECONDS: Final = 3600
MOST_SYNC_PARTS: Final = 0xFFFF
MOST_SESSIONS_IN_A_PART: Final = 25
"""25 sessions of the longest lock id are 3050 bytes: they fit one envelope."""

_NOBODY: Final = bytes(16)


class DownType(IntEnum):
    """The fourth byte of an envelope. 0x13 CONFIG and 0x14 ROTATE are reserved."""

    SESSION = 0x10
    REVOKE = 0x11
    TIME = 0x12
    SYNC = 0x15
    EVENT_ACK = 0x16


class RevokedKind(IntEnum):
    """What a REVOKE names."""

    SESSION = 1
    GUEST = 2
    ALL = 3


@dataclass(frozen=True, slots=True)
class SessionForLock:
    """`session_id 16 | session_key 32 | guest_id 16 | not_before u64`, then the terms."""

    TYPE: ClassVar = DownType.SESSION
    session_id: SessionId
    session_key: SessionKey
    guest_id: GuestId
    not_before: Instant
    terms: Terms

    def encode(self) -> bytes:
        """The body: 90 bytes and the lock id."""
        ids = self.session_id.raw + self.session_key.reveal() + self.guest_id.raw
        return ids + u64(self.not_before) + self.terms.encode()

    @classmethod
    def take(cls, reader: Reader) -> SessionForLock:
        """The session that comes next; raises Malformed."""
        session_id, key = SessionId(reader.take(16)), SessionKey(reader.take(32))
        guest_id, not_before = GuestId(reader.take(16)), reader.instant()
        terms = Terms.take(reader, 0)
        if terms.not_after <= not_before:
            raise Malformed("the session ends before it begins")
        return cls(session_id, key, guest_id, not_before, terms)

    def session(self) -> Session:
        """The session for the lock's verifier."""
        return self.terms.session(
            self.session_id,
            self.session_key,
            not_before=self.not_before,
            guest_id=self.guest_id,
        )


@dataclass(frozen=True, slots=True)
class Revoke:
    """`kind u8 | id 16`: a session, all sessions of a guest, or all (with an id of zeros)."""

    TYPE: ClassVar = DownType.REVOKE
    whom: SessionId | GuestId | None

    def encode(self) -> bytes:
        """The body, 17 bytes."""
        if isinstance(self.whom, SessionId):
            return u8(RevokedKind.SESSION) + self.whom.raw
        if isinstance(self.whom, GuestId):
            return u8(RevokedKind.GUEST) + self.whom.raw
        return u8(RevokedKind.ALL) + _NOBODY

    @classmethod
    def take(cls, reader: Reader) -> Revoke:
        """The revocation that comes next; raises Malformed."""
        kind = reader.number(1, RevokedKind.SESSION, RevokedKind.ALL, "what is revoked")
        raw = reader.take(16)
        if kind == RevokedKind.ALL:
            if raw != _NOBODY:
                raise Malformed("who revokes all names nobody")
            return cls(None)
        return cls(SessionId(raw) if kind == RevokedKind.SESSION else GuestId(raw))


@dataclass(frozen=True, slots=True)
class Time:
    """`now_ms u64 | hello_nonce 16 | lease_s u32`: the issuer's time, for one HELLO only."""

    TYPE: ClassVar = DownType.TIME
    now: Instant
    hello_nonce: bytes
    lease_seconds: int

    def encode(self) -> bytes:
        """The body, 28 bytes."""
        return u64(self.now) + self.hello_nonce + u32(self.lease_seconds)

    @classmethod
    def take(cls, reader: Reader) -> Time:
        """The time that comes next; raises Malformed."""
        now, nonce = reader.instant(), reader.take(HELLO_NONCE_BYTES)
        return cls(now, nonce, reader.number(4, 1, LONGEST_LEASE_SECONDS, "the lease"))


@dataclass(frozen=True, slots=True)
class Sync:
    """`hello_nonce 16 | part u16 | parts u16 | n u8 | n sessions`: all that lives, in parts.

    What no part names is revoked. `max_uses` of a session is what is left of it.
    """

    TYPE: ClassVar = DownType.SYNC
    hello_nonce: bytes
    part: int
    parts: int
    sessions: tuple[SessionForLock, ...]

    def encode(self) -> bytes:
        """The body."""
        head = self.hello_nonce + u16(self.part) + u16(self.parts) + u8(len(self.sessions))
        return head + b"".join(session.encode() for session in self.sessions)

    @classmethod
    def take(cls, reader: Reader) -> Sync:
        """The part that comes next; raises Malformed."""
        nonce = reader.take(HELLO_NONCE_BYTES)
        part = reader.number(2, 0, MOST_SYNC_PARTS, "the part")
        parts = reader.number(2, part + 1, MOST_SYNC_PARTS, "the parts")
        count = reader.number(1, 0, MOST_SESSIONS_IN_A_PART, "the sessions of a part")
        return cls(nonce, part, parts, tuple(SessionForLock.take(reader) for _ in range(count)))


@dataclass(frozen=True, slots=True)
class EventAck:
    """`epoch 16 | counter u64`: the issuer has this event of that epoch and all before it."""

    TYPE: ClassVar = DownType.EVENT_ACK
    epoch: bytes
    counter: int

    def encode(self) -> bytes:
        """The body, 24 bytes."""
        return self.epoch + u64(self.counter)

    @classmethod
    def take(cls, reader: Reader) -> EventAck:
        """The acknowledgement that comes next; raises Malformed."""
        return cls(reader.take(EPOCH_BYTES), reader.u64())


DownMessage = SessionForLock | Revoke | Time | Sync | EventAck

_CLASSES: Final[dict[DownType, type[DownMessage]]] = {
    DownType.SESSION: SessionForLock,
    DownType.REVOKE: Revoke,
    DownType.TIME: Time,
    DownType.SYNC: Sync,
    DownType.EVENT_ACK: EventAck,
}


def decode(kind: DownType, body: bytes) -> DownMessage:
    """The message in a body; raises Malformed."""
    reader = Reader(body)
    message = _CLASSES[kind].take(reader)
    reader.done()
    return message


def in_parts(hello_nonce: bytes, sessions: list[SessionForLock]) -> list[Sync]:
    """All of `sessions` as SYNC parts, at least one."""
    most = MOST_SESSIONS_IN_A_PART
    starts = range(0, max(1, len(sessions)), most)
    return [
        Sync(hello_nonce, part, len(starts), tuple(sessions[at : at + most]))
        for part, at in enumerate(starts)
    ]


def locks_named(message: DownMessage) -> set[LockId]:
    """The locks that a message says its sessions are for."""
    if isinstance(message, SessionForLock):
        return {message.terms.lock_id}
    if isinstance(message, Sync):
        return {session.terms.lock_id for session in message.sessions}
    return set()
