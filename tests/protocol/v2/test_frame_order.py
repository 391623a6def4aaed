"""What overtook on the way is put in order; what never gets its turn is not held for long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.frame_order import FrameOrder
from blelockd.protocol.v2.frames import (
    LONGEST_PAUSE_SECONDS,
    MOST_FRAMES,
    Reassembler,
    frames,
)

MESSAGE = bytes(range(100))
FRAMES = frames(MESSAGE, 24)


def heard(parts: list[bytes], order: FrameOrder | None = None, now: float = 0.0) -> bytes | None:
    """The last message of these notifications."""
    order = order or FrameOrder()
    receiver = Reassembler(1, begin_anew=True)
    message = None
    for part in parts:
        for each in order.put(part, now):
            message = receiver.feed("", each, now) or message
    return message


@given(st.permutations(FRAMES))
def test_whatever_overtakes_what_the_message_comes_together(parts: list[bytes]) -> None:
    order = FrameOrder()
    assert heard(parts, order) == MESSAGE
    assert len(order) == 0


def test_two_messages_whose_ends_overtook_come_together_each() -> None:
    order, other = FrameOrder(), frames(MESSAGE[::-1], 60)
    assert heard([other[1], other[0]], order) == MESSAGE[::-1]
    assert heard([FRAMES[0], *FRAMES[:0:-1]], order) == MESSAGE


def test_the_end_of_an_answer_that_was_over_long_ago_is_not_put_into_the_next() -> None:
    order = FrameOrder()
    assert heard([frames(bytes(100), 24)[1]], order) is None
    assert heard(FRAMES, order, LONGEST_PAUSE_SECONDS + 0.1) == MESSAGE


def test_a_repeated_frame_is_refused() -> None:
    with pytest.raises(Malformed, match="not where the one before it ended"):
        heard([FRAMES[0], FRAMES[1], FRAMES[1]])


@given(st.lists(st.binary(max_size=30), max_size=200))
def test_whatever_comes_no_more_is_held_than_a_message_has(given: list[bytes]) -> None:
    order = FrameOrder()
    for at, raw in enumerate(given):
        order.put(raw, at / 10)
        assert len(order) < MOST_FRAMES
