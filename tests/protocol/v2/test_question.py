"""What a lock in challenge mode asks, and what is no question of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.v2 import question
from tests.fakes.damage import every_damage
from tests.fakes.enrolled import DOOR, OTHER_DOOR, a_v2_session, at_noon

ASKED = b"question"


def test_a_question_is_read_by_guests_of_that_lock_alone() -> None:
    raw = question.write(DOOR, ASKED)
    assert len(raw) == question.QUESTION_BYTES
    assert question.challenge_in(raw, DOOR) == ASKED
    assert question.challenge_in(raw, OTHER_DOOR) is None


def test_a_damaged_question_is_another_one_at_most() -> None:
    raw = question.write(DOOR, ASKED)
    heard = [question.challenge_in(damaged, DOOR) for damaged in every_damage(raw)]
    asked = [challenge for challenge in heard if challenge is not None]
    assert len(asked) == 64  # a bit of the challenge each
    assert ASKED not in asked


@given(st.binary(max_size=31))
def test_any_advert_is_a_question_or_none(payload: bytes) -> None:
    challenge = question.challenge_in(payload, DOOR)
    assert challenge is None or question.write(DOOR, challenge) == payload


def test_nothing_is_no_question() -> None:
    raw = question.write(DOOR, ASKED)
    assert question.challenge_in(raw[:9] + bytes(8), DOOR) is None
    assert question.challenge_in(at_noon(a_v2_session()), DOOR) is None
    for wrong in (bytes(8), b"", b"seven b", b"nine byte"):
        with pytest.raises(ValueError, match="8 bytes"):
            question.write(DOOR, wrong)
