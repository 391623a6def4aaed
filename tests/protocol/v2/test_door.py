"""Tokens of both versions at one door: what opens, once, and what each refusal is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.instants import LATEST, Instant
from blelockd.protocol.v2.terms import LEASE_MS
from blelockd.protocol.verdict import Admit, Reason
from blelockd.protocol.verifier import Rules, Verifier
from tests.fakes.bare_lock import LONG_AGO, NEAR, OTHER, PHONE, BareLock, at
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, OTHER_DOOR, TERMS, a_v2_session, advert, at_noon
from tests.fakes.sessions import a_session, token_at

SLOT_MS: Final = TERMS.slot_ms


def test_a_valid_token_opens_the_door_once_and_tells_its_strength() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    token = at_noon(session, tx_power_dbm=-62)
    slot = session.slot_at(NOON)
    admit = Admit(session.session_id, DOOR, slot, NEAR, str(PHONE), -62, session.guest_id)
    assert lock.hears(token) == admit
    assert lock.hears(token) is Reason.REPEAT
    assert lock.hears(token, phone=OTHER) is Reason.REPLAY
    assert lock.hears(at_noon(session, tx_power_dbm=-40), phone=OTHER) is Reason.REPLAY
    assert isinstance(lock.hears(advert(session, at(SLOT_MS)), at(SLOT_MS)), Admit)


def test_ten_thousand_sightings_of_one_token_are_one_unlock() -> None:
    lock = BareLock()
    token = at_noon(lock.learn(a_v2_session()))
    assert sum(isinstance(lock.hears(token), Admit) for _ in range(10_000)) == 1


def test_guests_of_both_versions_pass_one_door() -> None:
    lock = BareLock()
    old = [lock.learn(a_session(number)) for number in range(1, 51)]
    new = [lock.learn(a_v2_session(number)) for number in range(1, 51)]
    for session in (*old, *new):
        admit = lock.hears(token_at(session, NOON))
        assert isinstance(admit, Admit)
        assert admit.session_id == session.session_id
        assert (admit.tx_power_dbm is None) is (session in old)


@pytest.mark.parametrize("shift", [-3, -2, -1, 0, 1, 2])
@pytest.mark.parametrize(("back", "ahead"), [(1, 0), (0, 0), (3, 1), (1, 1)])
def test_the_window_is_what_the_terms_say(shift: int, back: int, ahead: int) -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(slots_back=back, slots_ahead=ahead))
    heard = lock.hears(advert(session, NOON, shift))
    if -back <= shift <= ahead:
        assert isinstance(heard, Admit)
    elif shift in (-back - 1, ahead + 1):
        assert heard is (Reason.LATE if shift < 0 else Reason.EARLY)
    else:
        assert heard is Reason.UNKNOWN


@pytest.mark.parametrize("now", [NOON, at(1), at(SLOT_MS - 1)])
def test_a_guests_clock_may_be_off_by_exactly_the_window(now: Instant) -> None:
    accepted = set()
    for tenth in range(-300, 301):
        lock = BareLock()
        session = lock.learn(a_v2_session(), now)
        if isinstance(lock.hears(advert(session, Instant(now + tenth * 100)), now), Admit):
            accepted.add(tenth)
    passed = now % SLOT_MS
    assert accepted == {
        tenth for tenth in range(-300, 301) if -passed - SLOT_MS <= tenth * 100 < SLOT_MS - passed
    }


@given(st.binary(max_size=40))
def test_any_bytes_open_nothing(payload: bytes) -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    slot = session.slot_at(NOON)
    found = b"\x20\xc5" + session.scheme.index_key(slot)
    for presented in (payload, found + payload, (found + payload)[:20].ljust(20, b"\0")):
        assert lock.hears(presented) in (Reason.UNKNOWN, Reason.FORGED)
    assert isinstance(lock.hears(at_noon(session)), Admit)


def test_the_index_alone_is_not_a_token() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    assert lock.hears(at_noon(session)[2:8]) is Reason.UNKNOWN
    assert lock.hears(bytes(16)) is Reason.UNKNOWN


def test_a_token_for_one_door_opens_no_other() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    elsewhere = replace(session, lock_id=OTHER_DOOR)
    assert lock.hears(at_noon(elsewhere)) is Reason.FORGED


def test_the_stated_strength_and_flags_are_under_the_seal() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    token = at_noon(session)
    for first in range(256):
        for second in (token[1], token[1] ^ 1, 0x7F):
            if (first, second) != (token[0], token[1]):
                restated = bytes([first, second]) + token[2:]
                assert lock.hears(restated) is Reason.FORGED
    assert isinstance(lock.hears(token), Admit)


@pytest.mark.parametrize(("rssi_dbm", "good"), [(-60, True), (-61, False)])
def test_a_session_may_ask_for_a_stronger_signal_than_the_lock(rssi_dbm: int, good: bool) -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(rssi_min_dbm=-60))
    heard = lock.hears(at_noon(session), rssi_dbm=rssi_dbm)
    assert isinstance(heard, Admit) if good else heard is Reason.TOO_FAR


def test_a_session_may_not_ask_for_a_weaker_one() -> None:
    lock = BareLock(Rules(rssi_threshold_dbm=-55))
    session = lock.learn(a_v2_session(rssi_min_dbm=-60))
    assert lock.hears(at_noon(session), rssi_dbm=-57) is Reason.TOO_FAR


@pytest.mark.parametrize(
    ("tx_power_dbm", "rssi_dbm", "good"),
    [(-59, -64, True), (-59, -65, False), (-50, -55, True), (-50, -56, False), (10, 5, True)],
)
def test_a_session_may_bound_what_is_lost_on_the_way(
    tx_power_dbm: int, rssi_dbm: int, good: bool
) -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(path_loss_max_db=5))
    heard = lock.hears(at_noon(session, tx_power_dbm=tx_power_dbm), rssi_dbm=rssi_dbm)
    assert isinstance(heard, Admit) if good else heard is Reason.NOT_NEAR


def test_who_does_not_tell_the_power_is_not_near_where_that_counts() -> None:
    lock = BareLock()
    session = lock.learn(replace(a_session(), path_loss_max_db=255))
    token = session.scheme.token(session.slot_at(NOON)).reveal()
    assert lock.hears(token) is Reason.NOT_NEAR


def test_a_session_opens_nothing_before_it_begins() -> None:
    lock = BareLock()
    session = lock.learn(replace(a_v2_session(), not_before=at(10)))
    assert lock.hears(advert(session, at(9)), at(9)) is Reason.NOT_YET
    assert isinstance(lock.hears(advert(session, at(10)), at(10)), Admit)


def test_a_session_opens_as_often_as_it_may() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(max_uses=2))
    for use in range(2):
        now = at(use * SLOT_MS)
        assert isinstance(lock.hears(advert(session, now), now), Admit)
        assert lock.verifier.count_use(session.session_id) == use + 1
    now = at(2 * SLOT_MS)
    assert lock.hears(advert(session, now), now) is Reason.USES_SPENT


def test_a_guest_who_stays_uses_the_session_once() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session(max_uses=1))
    for slot in range(5):
        now = at(slot * SLOT_MS)
        assert isinstance(lock.hears(advert(session, now), now), Admit)
    assert lock.verifier.count_use(session.session_id) == 1
    assert lock.hears(advert(session, at(5 * SLOT_MS)), at(5 * SLOT_MS)) is Reason.USES_SPENT


def test_where_no_opening_can_be_counted_only_limited_uses_rest() -> None:
    lock = BareLock()
    limited = lock.learn(a_v2_session(1, max_uses=1))
    unlimited = lock.learn(a_v2_session(2))
    lock.verifier.counts_uses = lambda: False
    assert lock.hears(at_noon(limited)) is Reason.USES_SPENT
    assert isinstance(lock.hears(at_noon(unlimited)), Admit)
    lock.verifier.counts_uses = lambda: True
    assert isinstance(lock.hears(at_noon(limited)), Admit)


def test_uses_without_limit_are_counted_all_the_same() -> None:
    lock = BareLock()
    session = lock.learn(a_v2_session())
    assert [lock.verifier.count_use(session.session_id) for _ in range(3)] == [1, 2, 3]
    assert isinstance(lock.hears(at_noon(session)), Admit)


@pytest.mark.parametrize("life_ms", [LEASE_MS - 5000, LEASE_MS - 4999])
def test_a_long_session_rests_while_nobody_confirms_the_time(life_ms: int) -> None:
    """The session began 5 s before noon; 15 minutes are short."""
    lock = BareLock()
    session = lock.learn(a_v2_session(not_after=at(life_ms)))
    assert lock.verifier.lease_until == LATEST
    lock.verifier.lease_until = at(1000)
    assert isinstance(lock.hears(advert(session, at(999)), at(999)), Admit)
    rests = lock.hears(advert(session, at(1000)), at(1000)) is Reason.SUSPENDED
    assert rests is (life_ms > LEASE_MS - 5000)
    later = at(2 * SLOT_MS)
    heard = lock.hears(advert(session, later), later)
    assert isinstance(heard, Admit) is (life_ms == LEASE_MS - 5000)
    if not isinstance(heard, Admit):
        assert heard is Reason.SUSPENDED
        lock.verifier.lease_until = LATEST
        assert isinstance(lock.hears(advert(session, later), later), Admit)


@pytest.mark.parametrize("slots_later", [0, 1, 2])
def test_after_a_restart_the_slot_and_the_next_open_nothing(slots_later: int) -> None:
    lock = BareLock(started=NOON)
    session = lock.learn(a_v2_session())
    now = at(slots_later * SLOT_MS)
    heard = lock.hears(advert(session, now), now)
    assert isinstance(heard, Admit) if slots_later == 2 else heard is Reason.JUST_STARTED


@pytest.mark.parametrize("slot_ms", [1000, 1500, 2000, 3000, 60_000])
@pytest.mark.parametrize("slots_ahead", [0, 1])
@pytest.mark.parametrize("into_slot", [0, 0.3, 0.5, 0.999])
def test_no_token_that_the_boot_before_took_opens_again_however_their_times_differ(
    slot_ms: int, slots_ahead: int, into_slot: float
) -> None:
    """The boot before was 1 s ahead of the true time, this one is 1 s behind."""
    crash = at(round(into_slot * slot_ms))
    session = a_v2_session(slot_ms=slot_ms, slots_ahead=slots_ahead, slots_back=3)
    newest_spent = session.slot_at(Instant(crash + 1000)) + slots_ahead
    lock = BareLock(started=Instant(crash - 1000))
    lock.learn(session)
    for second in range(4):
        now = Instant(crash - 1000 + second * 1000)
        shift = newest_spent - session.slot_at(now)
        assert not isinstance(lock.hears(advert(session, now, shift), now), Admit)


def test_the_start_is_moved_when_the_lock_gets_to_know_the_time() -> None:
    verifier = Verifier(Rules(), LONG_AGO)
    verifier.started = NOON
    session = a_v2_session()
    verifier.learn(session, NOON)
    heard = verifier.judge(at_noon(session), NEAR, str(PHONE), NOON)
    assert not isinstance(heard, Admit)
    assert heard.reason is Reason.JUST_STARTED


def test_where_nothing_is_smoothed_each_advert_is_judged_by_itself() -> None:
    """A guest who was near a moment ago, and is 2 dB too far away now, is not near."""
    lock = BareLock()
    session = lock.learn(a_v2_session(path_loss_max_db=5))
    later = at(session.slot_ms)
    assert isinstance(lock.hears(at_noon(session), rssi_dbm=-64), Admit)
    assert lock.hears(advert(session, later), later, rssi_dbm=-66) is Reason.NOT_NEAR
