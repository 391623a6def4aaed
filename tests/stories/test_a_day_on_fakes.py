"""Evenings at the door, played in milliseconds: who comes, who goes, what breaks meanwhile."""

from __future__ import annotations

import pytest

from blelockd.protocol.verdict import Reason
from blelockd.services.events import EventKind
from blelockd.services.ports import Sighting
from blelockd.services.tally import Counted
from tests.fakes.house import GuestSide, House
from tests.fakes.keys import STRANGER
from tests.fakes.strike import FailingStrike


async def test_a_guest_walks_up_and_the_door_opens() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        assert house.lock.strike.releases == []
        house.guest.approach(house.lock)
        await house.pass_(0.2)
        assert house.lock.strike.is_released()
        await house.pass_(10.0)
        assert house.lock.strike.acts[-1][1] == "secure"


async def test_a_guest_who_goes_out_and_comes_back_is_let_in_again() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        for _ in range(3):
            house.guest.approach(house.lock)
            await house.pass_(20.0)
            house.guest.leave()
            await house.pass_(20.0)
        assert len(house.lock.strike.releases) == 3


async def test_a_phone_left_at_the_door_opens_it_once_however_often_it_renews() -> None:
    house = House()
    async with house.open(house.guest):
        house.guest.approach(house.lock)
        await house.pass_(900.0)
        assert len(house.guest.journal.of(EventKind.SESSION_OBTAINED)) >= 4
        assert len(house.lock.strike.releases) == 1


async def test_two_guests_come_together_and_the_door_opens_for_both() -> None:
    house = House()
    other = GuestSide(house.time, house.peripheral, "other", "C0:00:00:00:00:02", key=STRANGER)
    async with house.open(house.guest, other):
        await house.pass_(6.0)
        house.guest.approach(house.lock)
        other.approach(house.lock)
        await house.pass_(30.0)
        assert len(house.lock.journal.of(EventKind.UNLOCK)) == 2
        assert house.lock.journal.of(EventKind.REFUSAL) == []


async def test_a_lock_that_restarts_gets_its_sessions_again_and_opens() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(20.0)
        await house.restart_lock()
        assert len(house.lock.intake) == 0
        await house.pass_(1.0)
        assert len(house.lock.intake) == 1
        await house.pass_(5.0)
        house.guest.approach(house.lock)
        await house.pass_(1.0)
        assert len(house.lock.strike.releases) == 1


async def test_a_token_that_opened_before_a_restart_does_not_open_after_it() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.guest.approach(house.lock)
        token = house.guest.radio.on_air or b""
        await house.pass_(0.5)
        house.guest.leave()
        await house.restart_lock()
        for _ in range(100):
            house.lock.hear(Sighting(token, "C0:00:00:00:00:99", -40))
            await house.pass_(0.1)
        assert len(house.lock.strike.releases) == 1
        assert set(house.lock.journal.reasons()) <= {Reason.JUST_STARTED, Reason.LATE}


async def test_while_the_broker_is_away_live_sessions_open_and_new_ones_are_denied() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.outlet.down = True
        house.guest.approach(house.lock)
        await house.pass_(200.0)
        assert len(house.lock.strike.releases) == 1
        await house.pass_(200.0)
        assert house.guest.presence.carried() == []
        house.outlet.down = False
        await house.pass_(70.0)
        assert len(house.guest.presence.carried()) == 1
        assert len(house.lock.strike.releases) == 2


@pytest.mark.parametrize("step_ms", [-3_600_000, -7000, 7000, 3_600_000])
async def test_clocks_that_are_set_everywhere_cost_one_renewal(step_ms: int) -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(20.0)
        for side in (house.lock, house.issuer, house.guest):
            side.clock.step(step_ms)
        await house.pass_(12.0)
        house.guest.approach(house.lock)
        await house.pass_(2.0)
        assert len(house.lock.strike.releases) == 1


@pytest.mark.parametrize("skew_ms", [-29_000, -3300, -900, 900, 3300, 29_000])
async def test_a_guest_whose_clock_is_off_is_let_in_all_the_same(skew_ms: int) -> None:
    house = House()
    house.guest.clock.step(skew_ms)
    async with house.open(house.guest):
        await house.pass_(6.0)
        house.guest.radio.hearers.append(house.lock.hear)
        for _ in range(60):
            house.guest.radio.be_heard()
            await house.pass_(0.1)
        assert len(house.lock.strike.releases) == 1


async def test_strangers_at_every_entrance_hold_up_no_guest() -> None:
    """Adverts, junk at the broker, garbage and half requests at the issuer, all at once."""
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        for number in range(200):
            for copy in range(20):
                house.lock.hear(Sighting(b"%d %d" % (number, copy), "C0:00:00:00:00:99", -40))
                await house.lock.receive(b'{"signature":%d}' % copy)
            await house.peripheral.write(f"stranger {number}", b"garbage")
            half = b'{"chunk_index":0,"total_chunks":9,"data":"AAAA"}'
            await house.peripheral.write(f"idler {number}", half)
            await house.pass_(1.5)
        house.guest.approach(house.lock)
        await house.pass_(2.0)
        assert len(house.guest.journal.of(EventKind.SESSION_OBTAINED)) >= 2
        assert len(house.lock.strike.releases) == 1
        assert len(house.lock.journal.of(EventKind.SUMMARY)) <= 6
        assert len(house.lock.intake._received) <= 2
        assert house.issuer.tally._counts[Counted.UNFINISHED_REQUEST] < 200  # summed up meanwhile


async def test_a_strike_that_failed_is_tried_again_with_the_next_token() -> None:
    house = House()
    async with house.open(house.guest):
        await house.pass_(6.0)
        stuck = FailingStrike(house.lock.clock, release_fails=True)
        house.lock.door.use(stuck)
        house.guest.approach(house.lock)
        await house.pass_(3.0)
        assert len(house.lock.journal.of(EventKind.STRIKE_FAILED)) == 1
        stuck.release_fails = False
        await house.pass_(5.0)
        assert len(stuck.releases) == 1
