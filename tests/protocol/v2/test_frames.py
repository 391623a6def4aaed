"""Frames: what was cut comes together, in order and in time, or not at all; nothing grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.frames import (
    LARGEST_MESSAGE_BYTES,
    MOST_CONNECTIONS,
    MOST_FRAMES,
    Frame,
    Reassembler,
    frames,
)

MESSAGE = bytes(range(60))
FRAMES = frames(MESSAGE, 24)


def fed(receiver: Reassembler, parts: list[bytes], now_seconds: float = 0.0) -> bytes | None:
    """The last thing that the receiver says to these frames."""
    said = None
    for part in parts:
        said = receiver.feed("guest", part, now_seconds)
    return said


@given(st.binary(min_size=1, max_size=1024), st.integers(20, 517))
def test_a_message_comes_together_as_it_was_cut(message: bytes, size: int) -> None:
    parts = frames(message, size)
    assert all(5 <= len(part) <= size for part in parts)
    receiver = Reassembler()
    assert [receiver.feed("guest", part, 0.0) for part in parts[:-1]] == [None] * (len(parts) - 1)
    assert receiver.feed("guest", parts[-1], 0.0) == message
    assert (len(receiver), receiver.dropped) == (0, 0)


def test_a_frame_is_written_as_specified() -> None:
    assert FRAMES[0] == b"\x81\x00\x00\x3c" + MESSAGE[:20]
    assert FRAMES[1] == b"\x80\x01\x00\x14" + MESSAGE[20:40]
    assert FRAMES[2] == b"\x82\x02\x00\x28" + MESSAGE[40:]
    assert frames(b"x", 24) == frames(b"x", 5) == [b"\x83\x00\x00\x01x"]
    assert Frame.decode(FRAMES[2]) == Frame(False, True, 2, 40, MESSAGE[40:])
    for raw in (b'{"lock_id":"lock_01"}', b""):
        with pytest.raises(Malformed):
            Frame.decode(raw)


@pytest.mark.parametrize(
    ("size", "frame_size"), [(0, 100), (1025, 1100), (1, 4), (1024, 19), (64 * 9 + 1, 13)]
)
def test_what_64_frames_do_not_carry_is_not_cut(size: int, frame_size: int) -> None:
    with pytest.raises(Malformed):
        frames(bytes(size), frame_size)


def test_the_smallest_mtu_carries_the_largest_message_in_the_most_frames() -> None:
    parts = frames(bytes(LARGEST_MESSAGE_BYTES), 20)
    assert len(parts) == MOST_FRAMES
    assert fed(Reassembler(), parts) == bytes(LARGEST_MESSAGE_BYTES)


def changed(number: int, **fields: int) -> list[bytes]:
    """The three frames, one byte of one of them changed."""
    parts = [bytearray(part) for part in FRAMES]
    for name, value in fields.items():
        parts[number][{"flags": 0, "seq": 1, "high": 2, "low": 3}[name]] = value
    return [bytes(part) for part in parts]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([b""], "a header"),
        ([FRAMES[0][:4]], "a header"),
        (changed(0, flags=0x01), "not a frame"),
        (changed(0, flags=0x85), "not a frame"),
        (changed(0, flags=0x7B), "not a frame"),
        (changed(0, seq=1), "out of order"),
        (changed(1, seq=2), "out of order"),
        (changed(1, seq=0), "out of order"),
        (changed(1, low=21), "where the one before it ended"),
        (changed(1, high=1), "where the one before it ended"),
        (changed(1, low=0), "1 to 1024"),
        (changed(1, high=4, low=1), "1 to 1024"),
        (changed(1, flags=0x81), "out of order"),
        (changed(1, flags=0x82), "does not end"),
        (changed(2, flags=0x80), "does not end"),
        (changed(0, low=0), "1 to 1024"),
        (changed(0, high=4, low=1), "1 to 1024"),
        (changed(0, low=59), "longer than"),
        (changed(0, low=61), "does not end"),
        (FRAMES[1:], "no message that began"),
        ([FRAMES[0], FRAMES[0]], "inside another"),
        ([*FRAMES, FRAMES[2]], "no message that began"),
    ],
)
def test_a_frame_that_does_not_fit_gives_up_the_message(parts: list[bytes], reason: str) -> None:
    receiver = Reassembler()
    with pytest.raises(Malformed, match=reason):
        fed(receiver, parts)
    assert len(receiver) == 0
    assert fed(receiver, FRAMES) == MESSAGE


def test_a_message_has_at_most_64_frames() -> None:
    parts = [b"\x81\x00\x00\x42x", *(b"\x80%c\x00%cx" % (n, n) for n in range(1, 66))]
    receiver = Reassembler()
    assert fed(receiver, parts[:64]) is None
    with pytest.raises(Malformed, match="out of order"):
        receiver.feed("guest", parts[64], 0.0)
    assert receiver.dropped == 1


@pytest.mark.parametrize(("pause", "good"), [(2.0, True), (2.01, False)])
def test_a_pause_may_last_two_seconds(pause: float, good: bool) -> None:
    receiver = Reassembler()
    fed(receiver, FRAMES[:1])
    assert (receiver.expire(pause) == []) is good
    if good:
        assert fed(receiver, FRAMES[1:], pause) == MESSAGE
    else:
        with pytest.raises(Malformed, match="no message that began"):
            fed(receiver, FRAMES[1:], pause)
        assert receiver.dropped == 1


@pytest.mark.parametrize(("last", "good"), [(5.0, True), (5.01, False)])
def test_a_message_may_take_five_seconds(last: float, good: bool) -> None:
    receiver = Reassembler()
    parts = frames(MESSAGE, 19)
    assert len(parts) == 4
    for at, part in zip((0.0, 1.7, 3.4), parts[:3], strict=True):
        receiver.feed("guest", part, at)
    assert receiver.expire(last) == ([] if good else ["guest"])
    if good:
        assert receiver.feed("guest", parts[3], last) == MESSAGE


def test_a_frame_that_comes_too_late_finds_its_message_given_up() -> None:
    receiver = Reassembler()
    fed(receiver, FRAMES[:2])
    with pytest.raises(Malformed, match="no message that began"):
        receiver.feed("guest", FRAMES[2], 2.01)


def test_a_frame_in_time_puts_off_the_pause_only() -> None:
    receiver = Reassembler()
    receiver.feed("guest", FRAMES[0], 0.0)
    receiver.feed("guest", FRAMES[1], 1.9)
    assert receiver.expire(3.8) == []
    assert receiver.expire(4.0) == ["guest"]


def test_who_is_longest_without_a_frame_makes_room() -> None:
    receiver = Reassembler()
    for number in range(MOST_CONNECTIONS):
        receiver.feed(f"stranger {number}", FRAMES[0], 0.0)
    receiver.feed("stranger 0", FRAMES[1], 0.1)
    assert fed(receiver, FRAMES, 0.2) == MESSAGE
    assert receiver.dropped == 1
    assert receiver.feed("stranger 0", FRAMES[2], 0.3) == MESSAGE
    with pytest.raises(Malformed):
        receiver.feed("stranger 1", FRAMES[1], 0.3)
    assert len(receiver) == MOST_CONNECTIONS - 2


def test_many_connections_hold_no_more_than_so_many_messages() -> None:
    receiver = Reassembler()
    for number in range(10_000):
        receiver.feed(f"stranger {number}", FRAMES[0], 0.0)
    assert (len(receiver), receiver.dropped) == (MOST_CONNECTIONS, 10_000 - MOST_CONNECTIONS)


def test_a_connection_that_is_gone_leaves_nothing() -> None:
    receiver = Reassembler()
    fed(receiver, FRAMES[:2])
    receiver.forget("guest")
    receiver.forget("nobody")
    assert (len(receiver), receiver.dropped) == (0, 1)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=40)), max_size=40))
def test_any_bytes_are_a_message_or_malformed(given: list[tuple[str, bytes]]) -> None:
    receiver = Reassembler()
    for at, (who, raw) in enumerate(given):
        try:
            message = receiver.feed(who, raw, at / 10)
        except Malformed:
            continue
        assert message is None or 1 <= len(message) <= LARGEST_MESSAGE_BYTES
        assert len(receiver) <= MOST_CONNECTIONS


@given(st.lists(st.sampled_from([*FRAMES, *frames(MESSAGE[::-1], 30)]), max_size=12))
def test_frames_in_any_order_make_a_message_that_was_sent_or_none(parts: list[bytes]) -> None:
    receiver = Reassembler()
    for part in parts:
        try:
            assert receiver.feed("guest", part, 0.0) in (None, MESSAGE, MESSAGE[::-1])
        except Malformed:
            continue
