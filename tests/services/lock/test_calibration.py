"""Thresholds follow from what was heard near and far, and are tried on it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.verdict import Admit, Reason, Refuse
from blelockd.services.lock.calibration import (
    Heard,
    Place,
    Proposal,
    Spread,
    place,
    propose,
)
from blelockd.services.lock.signals import OPEN, Signal, signal_of
from blelockd.services.ports import Sighting
from tests.fakes.clock import NOON
from tests.fakes.enrolled import a_v2_session, at_noon
from tests.fakes.sessions import a_session, token_at

ONE_METRE = -59
PHONE = "C0:00:00:00:00:01"


def heard(
    losses_db: Sequence[int], *, adverts_a_slot: int = 1, tx_power_dbm: int | None = ONE_METRE
) -> Place:
    """A place where so much was lost, advert by advert."""
    return place(
        [
            Heard(
                float(number),
                Signal(
                    PHONE, ONE_METRE - loss_db, tx_power_dbm, "ab", number // adverts_a_slot, OPEN
                ),
            )
            for number, loss_db in enumerate(losses_db)
        ]
    )


def proposed(near: Place, far: Place) -> Proposal:
    proposal = propose(near, far)
    assert proposal is not None
    return proposal


def test_what_is_far_apart_is_told_apart_with_two_slots() -> None:
    near, far = heard([2, 5, 3, 8, 4, 6]), heard([24, 28, 25, 30, 26, 27])
    assert near.path_loss_db == Spread(2, 5, 8)
    assert near.rssi_dbm == Spread(-61, -64, -67)
    proposal = proposed(near, far)
    assert proposal == Proposal(-76, 16, 4, 2, (5, 5), (0, 5))
    assert proposal.of_slots == 6


def test_the_threshold_of_signal_lies_where_that_of_path_loss_does() -> None:
    """`louder than` and `no more than` are the same line."""
    proposal = proposed(heard([2] * 5), heard([24] * 5))
    assert (proposal.path_loss_max_db, proposal.rssi_threshold_dbm) == (13, ONE_METRE - 14)


def test_what_is_close_together_needs_more_slots() -> None:
    near = heard([4, 9, 14, 6, 10, 12, 5, 8, 11, 7])
    far = heard([16, 21, 24, 19, 28, 22, 18, 26, 17, 20])
    assert proposed(near, far).slots_heard == 3
    far = heard([13, 21, 11, 19, 28, 22, 12, 26, 17, 20])
    proposal = proposed(near, far)
    assert proposal.slots_heard == 5
    assert proposal.near_opens == (6, 6)
    assert proposal.far_opens == (0, 6)
    assert proposal.of_slots == 10


def test_what_sounds_alike_is_not_told_apart() -> None:
    assert proposed(heard([4, 9, 14, 6]), heard([8, 5, 12, 10])) == Proposal(
        None, None, 0, 0, (0, 0), (0, 0)
    )
    assert proposed(heard([30] * 5), heard([4] * 5)).slots_heard == 0


def test_a_place_where_hardly_anything_was_heard_says_nothing() -> None:
    assert propose(heard([4] * 5), heard([30] * 2)) is None
    assert propose(heard([]), heard([30] * 5)) is None
    assert heard([]).slots == ()


def test_a_guest_who_does_not_tell_its_power_gets_a_threshold_of_signal() -> None:
    near, far = heard([4] * 5, tx_power_dbm=None), heard([30] * 5, tx_power_dbm=None)
    assert near.path_loss_db is None
    proposal = proposed(near, far)
    assert (proposal.path_loss_max_db, proposal.rssi_threshold_dbm) == (None, ONE_METRE - 18)
    assert (proposal.near_opens, proposal.far_opens) == ((4, 4), (0, 4))


def test_who_states_less_power_than_it_has_gets_a_threshold_of_signal() -> None:
    proposal = proposed(heard([-40] * 5), heard([-20] * 5))
    assert (proposal.path_loss_max_db, proposal.rssi_threshold_dbm) == (None, ONE_METRE + 29)


def test_of_a_slot_the_weakest_counts_as_at_the_door() -> None:
    at = heard([5, 12, 3, 8, 9, 7], adverts_a_slot=3)
    assert (at.adverts, len(at.slots)) == (6, 2)
    assert [each.signal.path_loss_db for each in at.slots] == [12, 9]


def test_what_is_not_the_guest_is_left_out() -> None:
    signals = [
        Heard(float(slot), Signal(PHONE, -60, ONE_METRE, "ab", slot, said))
        for slot, said in enumerate((OPEN, Reason.TOO_FAR, Reason.FORGED, Reason.REPLAY))
    ]
    assert len(place(signals).slots) == 2


@given(
    st.lists(st.integers(-20, 60), min_size=3, max_size=30),
    st.lists(st.integers(-20, 60), min_size=3, max_size=30),
)
def test_whatever_is_heard_what_is_proposed_lets_in_more_near_than_far(
    near_db: list[int], far_db: list[int]
) -> None:
    proposal = proposed(heard(near_db), heard(far_db))
    if proposal.slots_heard == 0:
        return
    assert proposal.leave_margin_db >= 1
    assert proposal.path_loss_max_db is None or proposal.path_loss_max_db >= 1
    (near, of_near), (far, of_far) = proposal.near_opens, proposal.far_opens
    assert near * of_far > far * of_near


def test_a_signal_is_what_was_heard_and_what_the_lock_said() -> None:
    session = a_v2_session()
    token = at_noon(session, tx_power_dbm=-40)
    slot = session.slot_at(NOON)
    admit = Admit(session.session_id, session.lock_id, slot, -50, PHONE)
    told = signal_of(Sighting(token, PHONE, -50), admit)
    assert told == Signal(PHONE, -50, -40, str(session.session_id), slot, OPEN)
    assert told.path_loss_db == 10
    refuse = Refuse(Reason.NOT_NEAR, session.session_id, slot)
    told = signal_of(Sighting(token, PHONE, -90), refuse)
    assert told is not None
    assert (told.said, told.path_loss_db) == ("not-near", 50)
    for rssi_dbm in (None, 127):
        assert signal_of(Sighting(token, PHONE, rssi_dbm), refuse) is None
    assert signal_of(Sighting(token, PHONE, -50), Refuse(Reason.UNKNOWN)) is None


def test_a_guest_of_version_1_tells_no_power() -> None:
    session = a_session()
    refuse = Refuse(Reason.TOO_FAR, session.session_id, session.slot_at(NOON))
    told = signal_of(Sighting(token_at(session, NOON), PHONE, -90), refuse)
    assert told is not None
    assert (told.tx_power_dbm, told.path_loss_db) == (None, None)
