"""What issuer and lock say to each other inside the seal: read as written, or refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import GuestId, SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.v2 import down
from blelockd.protocol.v2.down import (
    MOST_SESSIONS_IN_A_PART,
    DownType,
    EventAck,
    Revoke,
    SessionForLock,
    Sync,
    Time,
    in_parts,
)
from blelockd.protocol.v2.ec_keys import IssuerSealKey, LockSigningKey
from blelockd.protocol.v2.reports import (
    Ack,
    Event,
    EventType,
    Hello,
    LockStatus,
    Result,
    UpType,
    body_bytes,
    decode_body,
)
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.protocol.v2.up import Report
from blelockd.protocol.v2.wire import Reader, hkdf_expand
from blelockd.protocol.verdict import Reason
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

NONCE, OTHER = b"n" * 16, b"o" * 16


def a_time(nonce: bytes = NONCE, lease_seconds: int = 900) -> Time:
    return Time(NOON, nonce, lease_seconds)


def hello(epoch: bytes, last_seq: int = 0) -> Hello:
    return Hello(epoch, NONCE, last_seq, ClockState.NONE)


def test_all_sessions_go_in_parts_and_none_is_lost() -> None:
    sessions = [
        SessionForLock(SessionId(n.to_bytes(16, "big")), cast.FOR_LOCK.session_key, cast.GUEST_ID,
                       NOON, cast.TERMS)
        for n in range(MOST_SESSIONS_IN_A_PART * 2 + 1)
    ]  # fmt: skip
    parts = in_parts(NONCE, sessions)
    assert [(part.part, part.parts, len(part.sessions)) for part in parts] == [
        (0, 3, 25), (1, 3, 25), (2, 3, 1)
    ]  # fmt: skip
    assert [session for part in parts for session in part.sessions] == sessions
    assert in_parts(NONCE, []) == [Sync(NONCE, 0, 1, ())]
    for part in parts:
        assert down.decode(DownType.SYNC, part.encode()) == part


@pytest.mark.parametrize(
    "message",
    [cast.FOR_LOCK, Revoke(SessionId(b"s" * 16)), Revoke(GuestId(b"g" * 16)), Revoke(None),
     a_time(), EventAck(NONCE, 2**64 - 1), Sync(NONCE, 1, 2, (cast.FOR_LOCK,) * 2)],
)  # fmt: skip
def test_what_the_issuer_says_is_read_as_it_was_written(message: down.DownMessage) -> None:
    raw = message.encode()
    assert down.decode(message.TYPE, raw) == message
    for other in (raw[:-1], raw + b"\0"):
        with pytest.raises(Malformed):
            down.decode(message.TYPE, other)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (DownType.REVOKE, b"\0" + bytes(16)),
        (DownType.REVOKE, b"\4" + bytes(16)),
        (DownType.REVOKE, b"\3" + b"x" * 16),
        (DownType.TIME, a_time(lease_seconds=3601).encode()),
        (DownType.TIME, a_time(lease_seconds=0).encode()),
        (DownType.SYNC, NONCE + b"\0\1\0\1\0"),
        (DownType.SYNC, NONCE + b"\0\0\0\1\x1a" + cast.FOR_LOCK.encode() * 26),
        (DownType.SESSION, SessionForLock(
            cast.FOR_LOCK.session_id, cast.FOR_LOCK.session_key, cast.GUEST_ID,
            cast.TERMS.not_after, cast.TERMS,
        ).encode()),
    ],
)  # fmt: skip
def test_what_no_issuer_says_is_refused(kind: DownType, raw: bytes) -> None:
    with pytest.raises(Malformed):
        down.decode(kind, raw)


@given(st.sampled_from(DownType), st.binary(max_size=200))
def test_any_bytes_are_a_message_from_the_issuer_or_malformed(kind: DownType, raw: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert down.decode(kind, raw).encode() == raw


REPORTS = [
    hello(b"1" * 16, 2**64 - 1),
    Ack(b"1" * 16, 3, Result.UNABLE, b"i" * 16),
    Event(b"1" * 16, 1, EventType.NOT_NEAR, SessionId(b"s" * 16), Slot(7), -128, NOON),
    LockStatus(b"1" * 16, 3, ClockState.LAPSED, 65535, 2**32 - 1, 9),
]


@pytest.mark.parametrize("message", REPORTS, ids=lambda m: type(m).__name__)
def test_what_a_lock_says_is_read_as_it_was_written(
    message: Hello | Ack | Event | LockStatus,
) -> None:
    raw = cast.a_report(message)
    assert len(raw) == 169 + message.SIZE == 169 + body_bytes(message.TYPE)
    assert Report.decode(raw).open(cast.DOOR, cast.LSK_PUBLIC, cast.IEK) == message


def test_what_a_lock_says_has_the_length_of_its_type() -> None:
    raw = cast.a_report(hello(b"1" * 16))
    for other in (raw[:-1], raw + b"x", raw[:24]):
        with pytest.raises(Malformed, match="length of its type"):
            Report.decode(other)


def test_what_a_lock_says_is_believed_of_that_lock_only() -> None:
    raw = cast.a_report(hello(b"1" * 16))
    with pytest.raises(Unauthentic):
        Report.decode(raw).open(cast.DOOR, LockSigningKey.derive(cast.fresh()).public_key, cast.IEK)
    with pytest.raises(Unauthentic):
        Report.decode(raw).open(cast.OTHER_DOOR, cast.LSK_PUBLIC, cast.IEK)
    with pytest.raises(Unauthentic):
        Report.decode(raw).open(cast.DOOR, cast.LSK_PUBLIC, IssuerSealKey.derive(cast.fresh()))


class CountedSealKey(IssuerSealKey):
    """Counts what it opens."""

    __slots__ = ()
    opened = 0

    def open_sealed(self, sealed: bytes, info: bytes, aad: bytes) -> bytes:
        """As ever."""
        CountedSealKey.opened += 1
        return super().open_sealed(sealed, info, aad)


def test_the_issuer_opens_nothing_that_no_lock_has_signed() -> None:
    raw = cast.a_report(hello(b"1" * 16))
    key = CountedSealKey.derive(cast.seed("iek"))
    CountedSealKey.opened = 0
    with pytest.raises(Unauthentic):
        Report.decode(raw[:-1] + bytes([raw[-1] ^ 1])).open(cast.DOOR, cast.LSK_PUBLIC, key)
    assert CountedSealKey.opened == 0
    Report.decode(raw).open(cast.DOOR, cast.LSK_PUBLIC, key)
    assert CountedSealKey.opened == 1


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (UpType.HELLO, bytes(40) + b"\3"),
        (UpType.ACK, bytes(24) + b"\x0a" + bytes(16)),
        (UpType.EVENT, bytes(24) + b"\0" + bytes(33)),
        (UpType.EVENT, bytes(24) + b"\1" + bytes(25) + b"\xff" * 8),
        (UpType.STATUS, bytes(24) + b"\3" + bytes(10)),
        (UpType.STATUS, bytes(36)),
    ],
)
def test_what_no_lock_says_is_refused(kind: UpType, raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_body(kind, raw)


@given(st.sampled_from(UpType), st.binary(max_size=100))
def test_any_bytes_are_a_lock_s_message_or_malformed(kind: UpType, raw: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert decode_body(kind, raw).encode() == raw
    for start in (b"", b"BL\2" + bytes([kind])):
        with pytest.raises((Malformed, Unauthentic)):
            Report.decode(start + raw).open(cast.DOOR, cast.LSK_PUBLIC, cast.IEK)


def test_every_refusal_at_the_door_has_its_event() -> None:
    events = {EventType.refusal(reason) for reason in Reason}
    assert len(events) == len(Reason)
    assert {event for event in EventType if event >= 0x40} == events


def test_one_block_is_all_that_is_derived_of_a_key() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        hkdf_expand(bytes(32), b"", 33)


def test_a_reader_says_what_is_left_over() -> None:
    reader = Reader(b"\1\2\3")
    assert reader.take(1) == b"\1"
    with pytest.raises(Malformed, match="after the end"):
        reader.done()
    assert reader.take(2) == b"\2\3"
    reader.done()
    with pytest.raises(Malformed, match="too early"):
        reader.take(1)
