"""Whatever overtakes what, and whoever else is answered meanwhile, the answer comes together."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.answer_frames import (
    MOST_FITTING,
    MOST_KEPT,
    AnswerFrames,
    Complete,
    TooManyFit,
)
from blelockd.protocol.v2.frames import LONGEST_SECONDS, frames

MINE, THEIRS = bytes(range(100)), bytes(range(100, 200))
FRAMES = frames(MINE, 24)
GRANT_BYTES = 580


def heard(parts: list[bytes], answer: AnswerFrames | None = None, now: float = 0.0) -> list[bytes]:
    """The messages that these notifications complete."""
    answer = AnswerFrames() if answer is None else answer
    return [complete.message for part in parts for complete in answer.put(part, now)]


def _frame(b0: int, seq: int, place: int, payload: bytes) -> bytes:
    return bytes((b0, seq)) + place.to_bytes(2) + payload


@given(st.permutations(FRAMES))
def test_whatever_overtakes_what_the_message_comes_together_once(parts: list[bytes]) -> None:
    assert heard(parts) == [MINE]


@given(st.permutations([*frames(MINE, 60), *frames(THEIRS, 60)]))
def test_two_answers_of_the_same_shape_come_together_each_whatever_the_order(
    parts: list[bytes],
) -> None:
    assert {MINE, THEIRS} <= set(heard(parts))


def test_over_one_channel_what_fits_first_is_the_message() -> None:
    answer = AnswerFrames()
    small = frames(MINE, 8), frames(THEIRS, 8)
    assert heard(small[0], answer) == [MINE]
    heard(small[1][:-1], answer)
    assert heard(small[1][-1:], answer)[0] == THEIRS


def test_what_has_come_together_does_not_come_again_with_a_frame_of_another_answer() -> None:
    answer = AnswerFrames()
    assert heard(FRAMES, answer) == [MINE]
    assert heard(frames(THEIRS, 60)[:1], answer) == []


def test_a_frame_that_is_heard_again_takes_no_second_place() -> None:
    answer = AnswerFrames()
    for _ in range(MOST_KEPT):
        assert heard(FRAMES[:1], answer) == []
    assert len(answer) == 1
    assert heard(FRAMES[1:], answer) == [MINE]


def test_a_frame_that_is_heard_again_is_the_youngest() -> None:
    answer = AnswerFrames()
    foreign = [_frame(0x80, 50, place, b"x") for place in range(1, MOST_KEPT + 1)]
    assert heard([FRAMES[0], *foreign[1:9], FRAMES[0], *foreign[9:], foreign[0]], answer) == []
    assert heard(FRAMES[1:], answer) == [MINE]


def test_what_would_end_elsewhere_than_was_said_is_not_a_message() -> None:
    first, long, short = (
        _frame(0x81, 0, 20, bytes(10)),
        _frame(0x82, 1, 10, bytes(10)),
        _frame(0x82, 1, 10, bytes(5)),
    )
    assert heard([short, long, first]) == [bytes(20)]


def test_what_has_come_together_does_not_come_again_with_the_end_of_another_answer() -> None:
    first, last = _frame(0x81, 0, 20, bytes(10)), _frame(0x82, 1, 10, bytes(10))
    other = _frame(0x82, 2, 30, bytes(10))
    answer = AnswerFrames()
    assert heard([first, last], answer) == [bytes(20)]
    assert heard([other], answer) == []


def test_an_answer_came_when_its_first_frame_did() -> None:
    answer, (first, last) = AnswerFrames(), frames(MINE, 60)
    assert answer.put(last, 1.0) == []
    assert answer.put(first, 2.5) == [Complete(MINE, 1.0)]


def test_the_end_of_an_answer_that_was_over_long_ago_is_not_put_into_the_next() -> None:
    answer = AnswerFrames()
    assert heard([frames(bytes(100), 24)[1]], answer) == []
    assert heard(FRAMES, answer, LONGEST_SECONDS + 0.1) == [MINE]
    assert len(answer) == len(FRAMES)


def test_a_message_is_as_long_as_it_said_and_ends_where_it_said() -> None:
    first, last = frames(MINE, 60)
    assert heard([first, last[:-1]]) == []
    assert heard([first, last + b"more"]) == []
    assert heard([first, bytes([last[0] & ~2]) + last[1:]]) == []
    assert heard([bytes([first[0] | 2]) + first[1:], last]) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b'{"status":1}',
        b"\x81\x00\x00\x05",
        b"\x81\x00\x00\x00x",
        b"\x80\x40\x00\x01x",
        b"\x80\x01\x00\x00x",
        b"\x80\x01\x04\x01x",
    ],
)
def test_what_is_no_frame_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        AnswerFrames().put(raw, 0.0)


def all_fit(count: int, size: int = 64) -> Iterator[bytes]:
    """Frames that go on with any that went before them."""
    for fill in range(count):
        yield from frames(bytes([fill]) * size, 8)


def test_frames_that_all_fit_each_other_cost_a_bounded_number_of_messages() -> None:
    answer = AnswerFrames()
    for part in all_fit(32):
        assert len(answer.put(part, 0.0)) <= MOST_FITTING
    assert len(answer) == MOST_KEPT


def test_frames_that_all_fit_each_other_are_soon_given_up() -> None:
    answer, parts = AnswerFrames(), list(all_fit(256))
    with pytest.raises(TooManyFit, match="fit together in too many ways"):
        heard(parts[:1024], answer)
    with pytest.raises(TooManyFit):
        answer.put(FRAMES[0], 60.0)


def test_frames_that_fit_in_many_ways_and_end_nowhere_cost_no_step_each_way() -> None:
    """Two for each place make 2**63 ways, and none is a message."""
    answer, messages = AnswerFrames(), 0
    begun = time.process_time()
    for fill in (b"a", b"b"):
        for part in frames(fill * 64, 5)[:-1]:
            messages += len(answer.put(part, 0.0))
    assert (messages, len(answer)) == (0, MOST_KEPT - 2)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("others", [1, 5, 9])
@pytest.mark.parametrize("in_turn", [True, False])
def test_among_grants_to_others_in_the_smallest_frames_the_answer_is_found(
    others: int, in_turn: bool
) -> None:
    """Each comes as a whole, or its frames in pairs that have overtaken each other."""
    answer, chance = AnswerFrames(), random.Random(7)
    for _ in range(others):
        heard(frames(chance.randbytes(GRANT_BYTES), 20), answer)
    mine = chance.randbytes(GRANT_BYTES)
    parts = frames(mine, 20)
    if not in_turn:
        parts = [part for at in range(0, len(parts), 2) for part in reversed(parts[at : at + 2])]
    assert mine in heard(parts, answer)


@pytest.mark.parametrize("others", [1, 2])
def test_answers_that_come_by_turns_in_frames_of_the_usual_size_are_found(others: int) -> None:
    answer, chance = AnswerFrames(), random.Random(7)
    said = [chance.randbytes(GRANT_BYTES) for _ in range(1 + others)]
    by_turns = zip(*(frames(it, 244) for it in said), strict=True)
    assert set(said) <= set(heard([part for parts in by_turns for part in parts], answer))


@given(st.lists(st.binary(max_size=30), max_size=200))
def test_whatever_comes_no_more_is_kept_than_the_bound(given: list[bytes]) -> None:
    answer = AnswerFrames()
    for at, raw in enumerate(given):
        try:
            answer.put(raw, at / 10)
        except Malformed:
            continue
        assert len(answer) <= MOST_KEPT
