"""The door: who is let in releases the strike once; whatever breaks, it is secured again."""

from __future__ import annotations

import pytest

from blelockd.services.events import EventKind
from blelockd.services.lock.door import Presented
from tests.fakes.clock import FakeClock, settle
from tests.fakes.doorway import HOLD, REARM, RELEASES, Doorway, admitted
from tests.fakes.strike import RecordingStrike, SlowStrike

HERE = "C0:00:00:00:00:01"


async def test_the_strike_is_released_for_the_hold_time_and_no_longer() -> None:
    here = Doorway()
    async with here.running():
        assert here.strike.acts == [(0.0, "secure")]
        assert here.door.present(admitted()) is RELEASES
        await here.clock.pass_(HOLD - 0.1)
        assert here.strike.is_released()
        await here.clock.pass_(0.2)
        assert here.strike.acts[1:] == [(0.0, "release"), (HOLD, "secure")]
        assert here.journal.kinds() == [EventKind.SECURED]


async def test_a_phone_left_near_the_door_does_not_open_it_again() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted()) is RELEASES
        for slot in range(2, 100):
            await here.clock.pass_(REARM - 0.1)
            assert here.door.present(admitted(slot=slot)) is not RELEASES
        assert here.strike.releases == [0.0]


async def test_a_guest_who_was_away_is_let_in_again() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted()) is RELEASES
        await here.clock.pass_(REARM)
        assert here.door.present(admitted(slot=2)) is RELEASES
        await here.clock.pass_(0.0)
        assert here.strike.releases == [0.0, REARM]


async def test_a_renewed_session_of_the_same_phone_is_the_same_guest() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted(1, phone="C0:00:00:00:00:01")) is RELEASES
        await here.clock.pass_(REARM - 1)
        assert here.door.present(admitted(2, phone="C0:00:00:00:00:01")) is not RELEASES


async def test_a_phone_that_changes_its_address_is_the_same_guest() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted(1, phone="40:00:00:00:00:01")) is RELEASES
        await here.clock.pass_(REARM - 1)
        assert here.door.present(admitted(1, slot=2, phone="40:00:00:00:00:02")) is not RELEASES
        await here.clock.pass_(REARM - 1)
        assert here.door.present(admitted(2, slot=3, phone="40:00:00:00:00:02")) is not RELEASES


async def test_a_guest_who_stays_does_not_keep_another_from_coming_back() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted(1)) is RELEASES
        assert here.door.present(admitted(2)) is RELEASES
        for slot in range(2, 6):
            await here.clock.pass_(REARM / 3)
            assert here.door.present(admitted(1, slot=slot)) is not RELEASES
        assert here.door.present(admitted(2, slot=6)) is RELEASES


async def test_another_guest_is_let_in_meanwhile_and_prolongs_the_hold() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted(1)) is RELEASES
        await here.clock.pass_(3.0)
        assert here.door.present(admitted(2)) is RELEASES
        await here.clock.pass_(HOLD - 0.2)
        assert here.strike.is_released()
        await here.clock.pass_(0.5)
        assert not here.strike.is_released()
        assert here.strike.releases == [0.0]


async def test_a_guest_at_the_very_end_of_the_hold_is_not_forgotten() -> None:
    here = Doorway()
    async with here.running():
        here.door.present(admitted(1))
        await here.clock.pass_(HOLD)
        assert not here.strike.is_released()
        assert here.door.present(admitted(2)) is RELEASES
        await here.clock.pass_(0.1)
        assert here.strike.is_released()


async def test_present_never_waits_for_a_slow_strike() -> None:
    clock = FakeClock()
    here = Doorway(SlowStrike(clock, seconds=4.0), clock)
    async with here.running():
        assert here.door.present(admitted(1)) is RELEASES
        assert here.door.present(admitted(2)) is RELEASES
        await clock.pass_(2.0)
        assert here.door.present(admitted(3)) is RELEASES
        await clock.pass_(3.0)
        assert here.strike.releases == [4.0]
        await clock.pass_(HOLD)
        assert not here.strike.is_released()


@pytest.mark.parametrize("held_seconds", [0.0, 0.05, 2.5, HOLD])
async def test_a_door_that_stops_is_secured_wherever_it_was(held_seconds: float) -> None:
    here = Doorway()
    async with here.running():
        here.door.present(admitted())
        await here.clock.pass_(held_seconds)
    assert not here.strike.is_released()
    assert here.strike.acts[-1][1] == "secure"


async def test_a_door_that_stops_while_the_strike_releases_is_secured() -> None:
    clock = FakeClock()
    strike = SlowStrike(clock, seconds=4.0)
    here = Doorway(strike, clock)
    async with here.running() as task:
        here.door.present(admitted())
        await clock.pass_(3.0)
        task.cancel()
        await settle()
        assert strike.acts[-1] == (3.0, "secure")
        assert strike.releases == []


async def test_a_strike_that_is_replaced_while_it_holds_is_secured_itself() -> None:
    here = Doorway()
    replacement = RecordingStrike(here.clock)
    async with here.running():
        here.door.present(admitted(1))
        await here.clock.pass_(1.0)
        here.door.use(replacement)
        await here.clock.pass_(HOLD)
        assert not here.strike.is_released()
        here.door.present(admitted(2))
        await here.clock.pass_(1.0)
        assert (here.strike.is_released(), replacement.is_released()) == (False, True)


async def test_a_door_that_stops_after_its_strike_was_replaced_leaves_neither_released() -> None:
    here = Doorway()
    replacement = RecordingStrike(here.clock)
    async with here.running():
        here.door.present(admitted(1))
        await here.clock.pass_(1.0)
        here.door.use(replacement)
    assert not here.strike.is_released()
    assert replacement.acts[-1][1] == "secure"


async def test_a_hold_of_no_time_is_a_pulse() -> None:
    here = Doorway(hold=0.0)
    async with here.running():
        here.door.present(admitted())
        await here.clock.pass_(0.0)
        assert here.strike.acts[1:] == [(0.0, "release"), (0.0, "secure")]


async def test_what_is_remembered_of_guests_is_those_of_the_last_seconds() -> None:
    here = Doorway()
    async with here.running():
        for number in range(1, 2001):
            here.door.present(admitted(number, phone=f"phone {number}"))
            await here.clock.sleep(0.0)
            here.clock.time.jump(1.0)
            assert len(here.door._last_seen) <= 2 * (REARM + 1)


async def test_a_new_session_of_a_guest_who_has_not_left_is_held_back_once() -> None:
    here = Doorway()
    async with here.running():
        assert here.door.present(admitted(1, phone=HERE)) is RELEASES
        assert here.door.present(admitted(2, phone=HERE)) is Presented.HELD_BACK
        assert here.door.present(admitted(2, phone=HERE, slot=2)) is Presented.STILL_PRESENT
        assert here.door.present(admitted(1, phone=HERE, slot=3)) is Presented.STILL_PRESENT


async def test_every_opening_is_written_down_before_the_strike_moves() -> None:
    here = Doorway()
    async with here.running():
        here.door.present(admitted(1))
        await here.clock.pass_(1.0)
        here.door.present(admitted(2))
        await here.clock.pass_(1.0)
        told = [("admitted", [1], False), ("opens", [], False), ("admitted", [2], True)]
        assert here.ledger.told == [*told, ("opens", [], True)]
