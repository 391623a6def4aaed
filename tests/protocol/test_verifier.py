"""The lock's decision: one valid token opens once; every other thing is refused by its own name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.ids import SessionId
from blelockd.protocol.opaque import Token
from blelockd.protocol.session import Session
from blelockd.protocol.verdict import Admit, Reason, Refuse
from blelockd.protocol.verifier import Rules, Verifier
from tests.fakes.bare_lock import LONG_AGO, NEAR, OTHER, PHONE, BareLock, at
from tests.fakes.clock import NOON
from tests.fakes.keys import LOCK_ID
from tests.fakes.sessions import SLOT_MS, a_session, token_at


def test_a_valid_token_opens_the_door() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    admit = lock.hears(token_at(session, NOON))
    assert admit == Admit(session.session_id, LOCK_ID, session.slot_at(NOON), NEAR, str(PHONE))


def test_the_same_token_opens_it_only_once() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    token = token_at(session, NOON)
    assert isinstance(lock.hears(token), Admit)
    assert lock.hears(token) is Reason.REPEAT
    assert lock.hears(token, phone=OTHER) is Reason.REPLAY
    assert lock.hears(token, at(SLOT_MS)) is Reason.REPEAT


def test_a_token_of_an_earlier_slot_does_not_open_after_a_later_one() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    assert isinstance(lock.hears(token_at(session, NOON)), Admit)
    assert lock.hears(token_at(session, NOON, -1), phone=OTHER) is Reason.REPLAY


def test_the_next_slot_opens_again() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    for slot in range(20):
        now = at(slot * SLOT_MS)
        assert isinstance(lock.hears(token_at(session, now), now), Admit)


@given(st.binary(max_size=40))
def test_any_bytes_open_nothing(payload: bytes) -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    assert lock.hears(payload) is Reason.UNKNOWN
    assert isinstance(lock.hears(token_at(session, NOON)), Admit)


@pytest.mark.parametrize("rssi_dbm", [None, 127])
def test_a_signal_of_unknown_strength_opens_nothing(rssi_dbm: int | None) -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    assert lock.hears(token_at(session, NOON), rssi_dbm=rssi_dbm) is Reason.NO_RSSI
    assert isinstance(lock.hears(token_at(session, NOON)), Admit)


@pytest.mark.parametrize("rssi_dbm", [-128, -71, -70])
def test_a_phone_at_the_threshold_is_too_far(rssi_dbm: int) -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    assert lock.hears(token_at(session, NOON), rssi_dbm=rssi_dbm) is Reason.TOO_FAR
    assert isinstance(lock.hears(token_at(session, NOON), rssi_dbm=-69), Admit)


def test_a_phones_own_threshold_replaces_the_locks() -> None:
    lock = BareLock(Rules(rssi_threshold_dbm=-70, phones={PHONE: -60, OTHER: None}))
    session = lock.learn(a_session())
    assert lock.hears(token_at(session, NOON), rssi_dbm=-60) is Reason.TOO_FAR
    assert isinstance(lock.hears(token_at(session, NOON), rssi_dbm=-59), Admit)
    later = at(SLOT_MS)
    assert lock.hears(token_at(session, later), later, -70, OTHER) is Reason.TOO_FAR
    assert isinstance(lock.hears(token_at(session, later), later, -69, OTHER), Admit)


def test_only_listed_phones_are_let_in_where_the_operator_says_so() -> None:
    lock = BareLock(Rules(phones={PHONE: None}, only_listed_phones=True))
    session = lock.learn(a_session())
    assert lock.hears(token_at(session, NOON), phone=OTHER) is Reason.NOT_LISTED
    assert isinstance(lock.hears(token_at(session, NOON), phone=PHONE), Admit)


@pytest.mark.parametrize("bind", [True, False])
def test_a_bound_session_opens_from_its_own_device_only(bind: bool) -> None:
    lock = BareLock(Rules(bind_address=bind))
    session = lock.learn(a_session(phone=PHONE))
    heard = lock.hears(token_at(session, NOON), phone=OTHER)
    if bind:
        assert heard is Reason.WRONG_DEVICE
        assert isinstance(lock.hears(token_at(session, NOON), phone=PHONE), Admit)
    else:
        assert isinstance(heard, Admit)


def test_a_session_that_names_no_device_opens_from_any() -> None:
    lock = BareLock(Rules(bind_address=True))
    session = lock.learn(a_session())
    assert isinstance(lock.hears(token_at(session, NOON), phone=OTHER), Admit)


def test_a_session_that_was_forgotten_opens_nothing() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    assert len(lock.verifier) == 1
    lock.verifier.forget(session.session_id)
    assert len(lock.verifier) == 0
    assert lock.hears(token_at(session, NOON)) is Reason.UNKNOWN


def test_a_session_is_learnt_once() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    with pytest.raises(ValueError, match="known already"):
        lock.learn(session)


def test_many_sessions_do_not_open_for_each_other() -> None:
    lock = BareLock()
    sessions = [lock.learn(a_session(number)) for number in range(1, 101)]
    for session in sessions:
        admit = lock.hears(token_at(session, NOON))
        assert isinstance(admit, Admit)
        assert admit.session_id == session.session_id


class ForgetfulScheme:
    """Tokens that are looked up by less than they are judged by, as those of v2 are."""

    def __init__(self, session: Session) -> None:
        self.token = session.scheme.token
        self.index_key = session.scheme.index_key
        self.claims = session.scheme.claims
        self.expected = session.scheme.expected


def test_a_token_that_is_found_but_does_not_verify_is_forged() -> None:
    session = a_session()
    scheme = ForgetfulScheme(session)
    scheme.expected = lambda payload, slot, challenge: Token(b"another token")
    lock = BareLock()
    lock.learn(replace(session, scheme=scheme))
    assert lock.hears(token_at(session, NOON)) is Reason.FORGED
    assert lock.hears(token_at(session, NOON)) is Reason.FORGED  # a refusal spends nothing


def test_rules_may_change_while_the_lock_runs() -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    lock.verifier.rules = Rules(rssi_threshold_dbm=-40)
    assert lock.hears(token_at(session, NOON)) is Reason.TOO_FAR


def test_a_refusal_names_the_session_only_where_there_is_one() -> None:
    verifier = Verifier(Rules(), LONG_AGO)
    session = a_session()
    verifier.learn(session, NOON)
    assert verifier.judge(b"", NEAR, str(PHONE), NOON) == Refuse(Reason.UNKNOWN)
    assert verifier.judge(token_at(session, NOON), None, str(PHONE), NOON) == Refuse(
        Reason.NO_RSSI, SessionId(session.session_id.raw), session.slot_at(NOON)
    )
