"""Framing: what is cut is put together again, whoever cut it; a hostile sender holds little."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v1 import chunks
from blelockd.protocol.v1.chunks import LARGEST_MESSAGE_BYTES, MOST_CHUNKS, Reassembler
from tests.fakes import seed

MESSAGE = json.dumps({"lock_id": "lock_01", "padding": "x" * 900}).encode()


def joined(frames: list[bytes], reassembler: Reassembler | None = None) -> bytes | None:
    """What the receiver has after the last of `frames`; all before must leave it waiting."""
    receiver = reassembler or Reassembler()
    for frame in frames[:-1]:
        assert receiver.feed("guest", frame, 0.0) is None
    return receiver.feed("guest", frames[-1], 0.0)


@given(st.integers(1, LARGEST_MESSAGE_BYTES - 20), st.integers(64, 600))
def test_a_message_comes_back_from_frames_of_any_size(size: int, largest: int) -> None:
    message = b'{"text":"%s"}' % (b"x" * size)
    try:
        frames = chunks.frames(message, largest)
    except Malformed:
        room = (largest - 47) // 4 * 3
        assert size > room * MOST_CHUNKS * 0.9
        return
    assert all(len(frame) <= largest for frame in frames)
    assert len(frames) <= MOST_CHUNKS
    assert joined(frames) == message
    assert seed.join_chunks(frames) == message


@pytest.mark.parametrize("largest", [64, 100, 204, 244, 514])
def test_no_frame_leaves_room_for_another_three_bytes(largest: int) -> None:
    frames = chunks.frames(MESSAGE, largest)
    assert all(largest - 6 <= len(frame) <= largest for frame in frames[:-1])


@pytest.mark.parametrize("largest", [-3, 0, 20, 42, 46])
def test_a_frame_too_small_for_any_chunk_is_refused(largest: int) -> None:
    with pytest.raises(Malformed, match="no chunk of this message fits"):
        chunks.frames(MESSAGE, largest)


def test_a_message_too_large_is_not_sent() -> None:
    with pytest.raises(Malformed, match="at most 8192 bytes"):
        chunks.frames(b"x" * (LARGEST_MESSAGE_BYTES + 1), 514)


@given(st.integers(1, 400), st.binary(min_size=1, max_size=2000), st.randoms(use_true_random=False))
def test_chunks_may_come_in_any_order(size: int, raw: bytes, chance: random.Random) -> None:
    message = json.dumps({"data": raw.hex()}).encode()
    frames = seed.in_chunks(message, size)
    if len(frames) > MOST_CHUNKS:
        return
    chance.shuffle(frames)
    assert joined(frames) == message


@pytest.mark.parametrize("size", [64, 120])
def test_the_seeds_retry_with_smaller_chunks_begins_anew(size: int) -> None:
    receiver = Reassembler()
    for frame in seed.in_chunks(MESSAGE, 120)[:3]:
        assert receiver.feed("guest", frame, 0.0) is None
    assert joined(seed.in_chunks(MESSAGE, size), receiver) == MESSAGE
    assert receiver.dropped == 1


def test_a_whole_message_in_the_middle_of_another_replaces_it() -> None:
    receiver = Reassembler()
    receiver.feed("guest", seed.in_chunks(MESSAGE)[0], 0.0)
    assert receiver.feed("guest", b'{"lock_id":"lock_01"}', 0.0) == b'{"lock_id":"lock_01"}'
    assert (len(receiver), receiver.dropped) == (0, 1)


def chunk(index: object, total: object, data: object = "AAAA") -> bytes:
    return json.dumps({"chunk_index": index, "total_chunks": total, "data": data}).encode()


@pytest.mark.parametrize(
    "frame",
    [
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 1000,
        b" " * 1025,
        chunk(0, 0),
        chunk(1, 1),
        chunk(-1, 2),
        chunk(0, MOST_CHUNKS + 1),
        chunk("0", 2),
        chunk(0.0, 2),
        chunk(True, 2),
        chunk(None, 2),
        chunk(0, 10**400),
        chunk(0, 2, ""),
        chunk(0, 2, "?"),
        chunk(0, 2, "AAA"),
        chunk(0, 2, None),
        chunk(1, 3),
        chunk(1, 2, "BBBB"),
    ],
)
def test_a_faulty_frame_gives_up_the_message_it_came_with(frame: bytes) -> None:
    receiver = Reassembler()
    assert receiver.feed("guest", chunk(1, 2), 0.0) is None
    assert receiver.feed("other", chunk(0, 2), 0.0) is None
    with pytest.raises(Malformed):
        receiver.feed("guest", frame, 0.0)
    assert (len(receiver), receiver.dropped) == (1, 1)
    assert receiver.feed("other", chunk(1, 2, "BBBB"), 0.0) == b"\0\0\0\x04\x10\x41"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=80)), max_size=20))
@example([("a", b"{}")])
def test_any_frames_give_messages_or_malformed(frames: list[tuple[str, bytes]]) -> None:
    receiver = Reassembler(most_peers=3)
    for number, (peer, frame) in enumerate(frames):
        try:
            message = receiver.feed(peer, frame, float(number))
        except Malformed:
            continue
        assert message in (None, frame)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.integers(0, 4),
            st.integers(1, 5),
            st.integers(0, 12),
        ),
        max_size=60,
    )
)
def test_what_is_held_stays_bounded_in_number_and_age(
    steps: list[tuple[str, int, int, int]],
) -> None:
    receiver = Reassembler(most_peers=3, longest_seconds=10.0)
    now, begun = 0.0, 0
    for peer, index, total, pause in steps:
        now += pause
        try:
            message = receiver.feed(peer, chunk(index, total), now)
        except Malformed:
            continue
        begun += 1
        assert message in (None, b"\0\0\0" * total)
        assert len(receiver) <= 3
    receiver.feed("z", b"{}", now + 10.1)
    assert len(receiver) == 0
    assert receiver.dropped <= begun


def test_the_longest_waiting_make_room_one_by_one() -> None:
    receiver = Reassembler(most_peers=3)
    for number, peer in enumerate("abcde"):
        assert receiver.feed(peer, chunk(0, 2), 1000.0 + number) is None
        assert (len(receiver), receiver.dropped) == (min(number + 1, 3), max(0, number - 2))
    assert receiver.feed("c", chunk(1, 2), 1005.0) == b"\0\0\0" * 2
    assert receiver.feed("a", chunk(1, 2), 1005.0) is None


def test_a_message_may_take_ten_seconds_and_no_more() -> None:
    receiver = Reassembler()
    for began in (1000.0, 2000.0):
        assert receiver.feed("guest", chunk(0, 2), began) is None
        assert receiver.feed("other", chunk(0, 2), began + 9) is None
        assert receiver.feed("guest", chunk(1, 2), began + 10.0) == b"\0\0\0" * 2
        assert receiver.feed("guest", chunk(0, 2), began) is None
        assert receiver.feed("other", b"{}", began + 10.1) == b"{}"
        assert len(receiver) == 0


def test_a_message_that_just_fits_goes_whole() -> None:
    assert chunks.frames(MESSAGE, len(MESSAGE)) == [MESSAGE]
    assert len(chunks.frames(MESSAGE, len(MESSAGE) - 1)) == 2


def test_the_largest_message_and_the_largest_number_of_chunks_come_through() -> None:
    largest = b'{"a":"' + b"x" * (LARGEST_MESSAGE_BYTES - 8) + b'"}'
    assert len(largest) == 8192
    assert joined(chunks.frames(largest, 514)) == largest
    # 16 bytes to a chunk: 512 chunks exactly
    assert joined(seed.in_chunks(largest, 16)) == largest
    with pytest.raises(Malformed):
        joined(seed.in_chunks(largest, 15))
    with pytest.raises(Malformed, match="no chunk"):
        chunks.frames(largest, 47 + 16)


def test_the_largest_frame_is_taken_and_a_larger_one_is_not() -> None:
    for size in (1024, 1025):
        frame = b'{"a":"' + b"x" * (size - 8) + b'"}'
        if size == 1024:
            assert Reassembler().feed("guest", frame, 0.0) == frame
        else:
            with pytest.raises(Malformed, match="more than 1024 bytes"):
                Reassembler().feed("guest", frame, 0.0)


@pytest.mark.parametrize(
    ("message_bytes", "largest", "expected"), [(9 * 27, 81, 9), (9 * 27 + 1, 81, 11)]
)
def test_a_digit_more_in_the_count_leaves_less_room(
    message_bytes: int, largest: int, expected: int
) -> None:
    frames = chunks.frames(b"x" * message_bytes, largest)
    assert len(frames) == expected
    assert all(len(frame) <= largest for frame in frames)


def test_a_message_is_given_up_ten_seconds_after_it_began_not_after_its_last_chunk() -> None:
    receiver = Reassembler()
    assert receiver.feed("guest", chunk(0, 3), 0.0) is None
    assert receiver.feed("guest", chunk(1, 3), 9.9) is None
    assert receiver.feed("guest", chunk(2, 3), 10.1) is None  # begins a message of its own
    assert (len(receiver), receiver.dropped) == (1, 1)


def test_one_sender_cannot_make_the_receiver_hold_more_than_a_message() -> None:
    receiver = Reassembler()
    data = "A" * 960
    for index in range(LARGEST_MESSAGE_BYTES // 720):
        assert receiver.feed("guest", chunk(index, MOST_CHUNKS, data), 0.0) is None
    with pytest.raises(Malformed, match="at most 8192 bytes"):
        receiver.feed("guest", chunk(100, MOST_CHUNKS, data), 0.0)
    assert len(receiver) == 0


def test_a_guest_who_goes_on_is_kept_before_others_who_only_begin() -> None:
    receiver = Reassembler(most_peers=4)
    honest = seed.in_chunks(MESSAGE)
    for number, frame in enumerate(honest[:-1]):
        assert receiver.feed("honest", frame, 0.0) is None
        for stranger in range(3):
            receiver.feed(f"stranger {number} {stranger}", chunk(0, 2), 0.0)
    assert receiver.feed("honest", honest[-1], 0.0) == MESSAGE


def test_forgetting_a_guest_who_left_is_safe_to_repeat() -> None:
    receiver = Reassembler()
    receiver.feed("guest", chunk(0, 2), 0.0)
    receiver.forget("guest")
    receiver.forget("guest")
    assert (len(receiver), receiver.dropped) == (0, 1)


def test_a_chunk_that_names_another_total_does_not_end_the_message_in_hand() -> None:
    receiver = Reassembler()
    first = b'{"chunk_index":0,"total_chunks":3,"data":"YQ=="}'
    other = b'{"chunk_index":1,"total_chunks":2,"data":"Yg=="}'
    assert receiver.feed("guest", first, 0.0) is None
    with pytest.raises(Malformed, match="does not belong to the message in hand"):
        receiver.feed("guest", other, 0.0)
