"""How near a guest is: one loud moment opens no door where several adverts are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.ids import GuestId, SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.nearness import _MOST_GUESTS, Near, Nearness, Smoothing
from blelockd.protocol.session import Session
from blelockd.protocol.verdict import Admit, Reason, Refuse
from blelockd.protocol.verifier import Rules
from tests.fakes.bare_lock import PHONE, BareLock
from tests.fakes.clock import NOON
from tests.fakes.enrolled import a_v2_session, advert
from tests.fakes.sessions import a_session, token_at

SLOT_MS = 3000
ONE_METRE = -59
THREE = Smoothing(3, 6, 6)


def a_door(
    smoothing: Smoothing = THREE, path_loss_max_db: int = 10, rssi_threshold_dbm: int = -70
) -> BareLock:
    """A lock that lets in who has lost at most 10 dB."""
    rules = Rules(rssi_threshold_dbm, path_loss_max_db=path_loss_max_db, smoothing=smoothing)
    return BareLock(rules)


class Walk:
    """A guest who is heard once in each slot."""

    def __init__(self, lock: BareLock, session: Session | None = None) -> None:
        self.lock = lock
        self.session = lock.learn(session or a_v2_session())
        self.now = NOON

    def heard_at(self, *losses_db: int | None) -> list[Admit | Reason]:
        """What the lock says slot by slot; in a slot of None it hears nothing."""
        said = []
        for loss_db in losses_db:
            if loss_db is not None:
                said.append(self.once(loss_db))
            self.now = Instant(self.now + SLOT_MS)
        return said

    def once(self, loss_db: int) -> Admit | Reason:
        """The token of this slot, which has lost so much on the way."""
        token = advert(self.session, self.now, tx_power_dbm=ONE_METRE)
        return self.lock.hears(token, self.now, ONE_METRE - loss_db)


def opens(said: Iterable[Admit | Reason]) -> list[bool]:
    """When the door may open."""
    return [isinstance(each, Admit) for each in said]


def test_one_advert_opens_where_one_is_enough() -> None:
    walk = Walk(a_door(Smoothing()))
    assert opens(walk.heard_at(11, 10, 11, 10)) == [False, True, False, True]


def test_one_loud_moment_opens_nothing_where_three_are_asked_for() -> None:
    walk = Walk(a_door())
    assert walk.heard_at(25, 25, -20, 25, 25, -20, 25) == [Reason.NOT_NEAR] * 7


def test_who_stands_at_the_door_is_let_in_two_slots_later() -> None:
    assert opens(Walk(a_door()).heard_at(5, 5, 5, 5)) == [False, False, True, True]


def test_who_comes_from_afar_is_let_in_at_the_second_near_slot() -> None:
    assert opens(Walk(a_door()).heard_at(30, 25, 20, 9, 8)) == [False] * 4 + [True]


def test_of_two_both_must_be_near() -> None:
    walk = Walk(a_door(Smoothing(2, 6, 6)))
    assert opens(walk.heard_at(5, 25, 5, 25, 5, 5)) == [False] * 5 + [True]


def test_who_is_near_stays_so_until_the_margin_is_used_up() -> None:
    walk = Walk(a_door())
    assert opens(walk.heard_at(9, 9, 9)) == [False, False, True]
    assert opens(walk.heard_at(16, 16, 16, 16, 10)) == [True] * 5
    assert opens(walk.heard_at(17, 17)) == [True, False]
    assert opens(walk.heard_at(16, 16, 16, 11, 11)) == [False] * 5
    assert opens(walk.heard_at(10, 10)) == [False, True]


def test_what_is_undecided_is_not_what_is_refused() -> None:
    walk = Walk(a_door())
    for loss_db, undecided in ((5, True), (99, True), (99, False)):
        token = advert(walk.session, walk.now, tx_power_dbm=ONE_METRE)
        verdict = walk.lock.verifier.judge(token, ONE_METRE - loss_db, str(PHONE), walk.now)
        assert isinstance(verdict, Refuse)
        assert (verdict.is_undecided, verdict.counts_from) == (undecided, None)
        walk.now = Instant(walk.now + SLOT_MS)
        walk.lock.verifier.advance(walk.now, 10)


def test_one_slot_counts_once_however_often_it_is_heard() -> None:
    walk = Walk(a_door())
    for _ in range(100):
        assert walk.once(5) is Reason.NOT_NEAR


def test_who_shouts_in_a_guests_name_does_not_bring_the_guest_nearer() -> None:
    """A token played again louder, or BlueZ's one signal strength for whoever has an address."""
    walk = Walk(a_door())
    for _ in range(20):
        assert [walk.once(loss_db) for loss_db in (-30, 40, -30)] == [Reason.NOT_NEAR] * 3
        walk.now = Instant(walk.now + SLOT_MS)


def test_what_was_heard_long_ago_counts_no_more() -> None:
    walk = Walk(a_door())
    walk.heard_at(5, 5)
    assert opens(walk.heard_at(None, None, None, None, 5)) == [False]
    assert opens(walk.heard_at(None, 5)) == [False]
    assert opens(walk.heard_at(5)) == [True]


def test_who_is_near_stays_so_though_some_slots_are_missed() -> None:
    walk = Walk(a_door())
    assert opens(walk.heard_at(5, 5, 5, None, None, None, None, 5)) == [False, False, True, True]


def test_who_was_away_begins_anew() -> None:
    walk = Walk(a_door())
    assert opens(walk.heard_at(5, 5, 5)) == [False, False, True]
    assert opens(walk.heard_at(*[None] * 6, 5, 5, 5)) == [False, False, True]


def test_a_renewed_session_goes_on_where_the_one_before_was() -> None:
    walk = Walk(a_door())
    assert opens(walk.heard_at(5, 5, 5)) == [False, False, True]
    walk.session = walk.lock.learn(a_v2_session(1), walk.now)
    assert opens(walk.heard_at(14)) == [True]


def test_another_guest_has_a_trail_of_its_own() -> None:
    lock = a_door()
    walk, other = Walk(lock), replace(a_v2_session(1), guest_id=GuestId(bytes(16)))
    assert opens(walk.heard_at(5, 5, 5)) == [False, False, True]
    stranger = Walk(lock, other)
    stranger.now = walk.now
    assert opens(stranger.heard_at(5)) == [False]


def test_signal_and_path_loss_are_both_asked() -> None:
    soft = Walk(a_door(rssi_threshold_dbm=-65))
    assert soft.heard_at(6, 6, 6, 6) == [Reason.NOT_NEAR] * 4
    assert opens(soft.heard_at(5, 5)) == [False, True]
    session = Walk(a_door(), a_v2_session(path_loss_max_db=4))
    assert session.heard_at(5, 5, 5, 5) == [Reason.NOT_NEAR] * 4
    assert opens(session.heard_at(4, 4)) == [False, True]
    weak = Walk(a_door(), a_v2_session(rssi_min_dbm=-62))
    assert weak.heard_at(4, 4, 4, 4) == [Reason.NOT_NEAR] * 4
    assert opens(weak.heard_at(3, 3)) == [False, True]


def test_too_weak_adverts_count_too_else_only_the_loud_ones_would_be_asked() -> None:
    walk = Walk(a_door(rssi_threshold_dbm=-70))
    assert walk.heard_at(*[30, 5, 30] * 5) == [Reason.NOT_NEAR] * 15


@pytest.mark.parametrize("smoothing", [Smoothing(), THREE])
def test_a_guest_of_version_1_is_kept_out_by_a_limit_of_path_loss(smoothing: Smoothing) -> None:
    lock = a_door(smoothing)
    session = lock.learn(a_session())
    said = [
        lock.hears(token_at(session, now), now, -10)
        for now in (Instant(NOON + number * session.slot_ms) for number in range(5))
    ]
    assert said == [Reason.NOT_NEAR] * 5


def test_a_guest_of_version_1_is_judged_by_its_signal() -> None:
    lock = a_door(path_loss_max_db=0)
    session = lock.learn(a_session())
    said = [
        lock.hears(token_at(session, now), now, rssi_dbm)
        for rssi_dbm, now in (
            (rssi_dbm, Instant(NOON + number * session.slot_ms))
            for number, rssi_dbm in enumerate((-90, -60, -60, -75, -90, -77))
        )
    ]
    assert opens(said) == [False, False, True, True, True, False]


def test_only_proven_tokens_leave_a_trail() -> None:
    lock = a_door()
    session = lock.learn(a_v2_session())
    forged = advert(session, NOON)[:-1] + b"x"
    assert lock.hears(forged) is Reason.FORGED
    assert lock.hears(advert(session, NOON), rssi_dbm=None) is Reason.NO_RSSI
    assert len(lock.verifier._nearness) == 0


def test_a_step_back_of_the_clock_forgets_what_has_not_happened_yet() -> None:
    nearness, session = Nearness(), a_v2_session()
    for number in range(3):
        then = Instant(NOON + 3_600_000 + number * SLOT_MS)
        nearness.hears(session, session.slot_at(then), 5, THREE, then)
    assert nearness.hears(session, session.slot_at(NOON), 5, THREE, NOON) is Near.TOO_FEW_HEARD


def test_a_bounded_number_of_guests_is_remembered() -> None:
    nearness, session = Nearness(), a_session()
    for number in range(_MOST_GUESTS + 10):
        guest = replace(session, session_id=SessionId(number.to_bytes(16, "big")))
        nearness.hears(guest, 1, 0, THREE, NOON)
    assert len(nearness) == _MOST_GUESTS


@given(
    st.integers(2, 8),
    st.lists(st.none() | st.integers(-40, 60), max_size=40),
)
def test_no_door_opens_to_fewer_near_slots_than_a_majority(
    slots_heard: int, losses_db: list[int | None]
) -> None:
    """Whatever is heard: at the first opening more than half of what counted was near."""
    rule = Smoothing(slots_heard, 2 * slots_heard, 6)
    nearness, session = Nearness(), a_v2_session()
    heard: list[tuple[int, int]] = []
    for number, loss_db in enumerate(losses_db):
        if loss_db is None:
            continue
        heard.append((number, 10 - loss_db))
        now = Instant(NOON + number * SLOT_MS)
        if nearness.hears(session, Slot(number), 10 - loss_db, rule, now) is Near.YES:
            counted = heard[-slots_heard:]
            assert len(counted) == slots_heard
            assert number - counted[0][0] < rule.of_slots
            assert 2 * sum(spare_db >= 0 for _, spare_db in counted) > slots_heard
            return
