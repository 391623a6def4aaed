"""Challenge and intent at the door, and what a token says of itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Claims
from blelockd.protocol.v2.tokens import Presented, V2Tokens
from blelockd.protocol.verdict import Admit, Reason
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, FOR_LOCK, OTHER_DOOR, a_v2_session, advert, at_noon

CHALLENGE: Final = b"question"


def test_in_challenge_mode_only_who_heard_the_question_is_let_in() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(challenge_mode=True))
    answered = at_noon(session, challenge=CHALLENGE)
    assert lock.hears(answered) is Reason.FORGED  # nothing was asked
    lock.verifier.challenges = (b"another ", b"yet more")
    assert lock.hears(answered) is Reason.FORGED
    assert lock.hears(at_noon(session)) is Reason.WRONG_MODE
    lock.verifier.challenges = (b"another ", CHALLENGE)
    assert isinstance(lock.hears(answered), Admit)
    assert lock.hears(answered) is Reason.REPEAT


def test_no_question_is_the_same_as_eight_zero_bytes_and_no_answer_to_one() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(challenge_mode=True))
    lock.verifier.challenges = (CHALLENGE,)
    assert lock.hears(at_noon(session, challenge=bytes(8))) is Reason.FORGED


def test_who_answers_where_nothing_is_asked_is_refused() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    lock.verifier.challenges = (CHALLENGE,)
    assert lock.hears(at_noon(session, challenge=CHALLENGE)) is Reason.WRONG_MODE
    assert isinstance(lock.hears(at_noon(session)), Admit)


@pytest.mark.parametrize("required", [True, False])
def test_a_door_that_wants_intent_opens_for_nobody_in_passing(required: bool) -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(intent_required=required))
    if required:
        assert lock.hears(at_noon(session)) is Reason.NO_INTENT
    assert isinstance(lock.hears(at_noon(session, intent=True)), Admit)


def test_a_clock_that_stands_at_1970_stops_nothing() -> None:
    lock = BareLock(started=Instant(0))
    session = lock.learn(replace(a_v2_session(), not_before=Instant(0)), Instant(0))
    assert lock.hears(advert(session, Instant(0)), Instant(0)) is Reason.JUST_STARTED


def test_a_guest_may_present_itself_anew() -> None:
    session = a_v2_session()
    scheme = session.scheme
    assert isinstance(scheme, V2Tokens)
    slot = session.slot_at(NOON)
    plain = scheme.token(slot)
    scheme.present(Presented(-40, intent=True, challenge=CHALLENGE))
    token = scheme.token(slot).reveal()
    assert token[:2] == b"\x23\xd8"
    assert token[2:8] == plain.reveal()[2:8]
    assert scheme.claims(token) == Claims(-40, intent=True, answers_challenge=True)
    assert scheme.expected(token, slot, CHALLENGE).matches(token)


def test_a_guest_whom_nobody_has_measured_states_the_usual_strength() -> None:
    session = a_v2_session()
    token = session.scheme.token(Slot(7)).reveal()
    assert session.scheme.claims(token) == Claims(-59)


def test_another_key_or_id_is_another_token() -> None:
    slot = Slot(7)
    key, name = FOR_LOCK.session_key, FOR_LOCK.session_id
    tokens = {
        V2Tokens(name, key, DOOR).token(slot).reveal(),
        V2Tokens(name, SessionKey(bytes(32)), DOOR).token(slot).reveal(),
        V2Tokens(SessionId(bytes(16)), key, DOOR).token(slot).reveal(),
        V2Tokens(name, key, OTHER_DOOR).token(slot).reveal(),
        V2Tokens(name, key, DOOR).token(Slot(8)).reveal(),
    }
    assert len(tokens) == 5
