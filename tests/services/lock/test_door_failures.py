"""A strike that fails is told; whether the guest is still outside decides what is taken back."""

from __future__ import annotations

from dataclasses import replace

from blelockd.protocol.instants import Slot
from blelockd.services.events import EventKind
from blelockd.services.lock.door import Presented
from tests.fakes.clock import FakeClock
from tests.fakes.doorway import HOLD, REARM, RELEASES, Doorway, admitted
from tests.fakes.strike import FailingStrike


async def test_a_strike_that_fails_is_told_and_the_guest_may_try_again() -> None:
    clock = FakeClock()
    strike = FailingStrike(clock, release_fails=True)
    here = Doorway(strike, clock)
    async with here.running():
        assert here.door.present(admitted()) is RELEASES
        await clock.pass_(1.0)
        assert here.journal.reasons(EventKind.STRIKE_FAILED) == ["the relay does not answer"]
        assert strike.acts[-1] == (0.0, "secure")
        strike.release_fails = False
        assert here.door.present(admitted(slot=2)) is RELEASES
        await clock.pass_(0.1)
        assert strike.is_released()


async def test_a_guest_whom_a_failing_strike_may_have_let_in_must_be_away_first() -> None:
    clock = FakeClock()
    strike = FailingStrike(clock, release_fails=True, may_have_opened=True)
    here = Doorway(strike, clock)
    async with here.running():
        assert here.door.present(admitted()) is RELEASES
        await clock.pass_(1.0)
        (event,) = here.journal.of(EventKind.STRIKE_FAILED)
        assert event.message.endswith("the door may have opened, and that counts as an opening")
        assert strike.acts[-1] == (0.0, "secure")
        assert [told for told, _, _ in here.ledger.told] == ["admitted", "opens"]
        assert here.door.present(admitted(slot=2)) is Presented.STILL_PRESENT
        await clock.pass_(REARM)
        assert here.door.present(admitted(slot=3)) is RELEASES


async def test_everybody_who_waited_may_try_again_after_a_failure() -> None:
    clock = FakeClock()
    strike = FailingStrike(clock, release_fails=True)
    here = Doorway(strike, clock)
    async with here.running():
        assert all(here.door.present(admitted(number)) for number in (1, 2, 3))
        await clock.pass_(0.1)
        assert all(here.door.present(admitted(number, slot=2)) for number in (1, 2, 3))


async def test_a_strike_that_cannot_be_secured_is_told_and_the_door_goes_on() -> None:
    clock = FakeClock()
    strike = FailingStrike(clock, secure_fails=True)
    here = Doorway(strike, clock)
    async with here.running():
        here.door.present(admitted(1))
        await clock.pass_(HOLD + 1)
        assert here.journal.reasons(EventKind.STRIKE_FAILED) == ["the relay is stuck"] * 2
        strike.secure_fails = False
        here.door.present(admitted(2))
        await clock.pass_(HOLD + 1)
        assert not strike.is_released()


async def test_an_opening_that_fails_is_taken_back_for_all_who_waited() -> None:
    clock = FakeClock()
    here = Doorway(FailingStrike(clock, release_fails=True), clock)
    async with here.running():
        here.door.present(admitted(1))
        here.door.present(admitted(2))
        await clock.pass_(0.1)
    told = [("admitted", [1], False), ("admitted", [2], False), ("opens", [], False)]
    assert here.ledger.told == [*told, ("failed", [1, 2], False)]
    (event,) = here.journal.of(EventKind.STRIKE_FAILED)
    assert event.fields["trace"] == admitted(2).session_id


async def test_who_cannot_be_counted_moves_no_strike_and_may_try_again() -> None:
    here = Doorway()
    here.ledger.counts = False
    async with here.running():
        limited = replace(admitted(1), is_limited=True)
        assert here.door.present(limited) is RELEASES
        await here.clock.pass_(0.1)
        assert here.strike.acts == [(0.0, "secure")]
        assert [told for told, _, _ in here.ledger.told] == ["admitted", "opens", "uncounted"]
        (event,) = here.journal.of(EventKind.REFUSAL)
        assert event.fields["trace"] == limited.session_id
        here.ledger.counts = True
        assert here.door.present(replace(limited, slot=Slot(2))) is RELEASES
        await here.clock.pass_(0.1)
        assert here.strike.is_released()


async def test_who_cannot_be_counted_has_used_what_the_door_opens_for_another() -> None:
    """They may walk in, too; the strike is told of the other, and held open for no longer."""
    here = Doorway()
    here.ledger.counts = False
    async with here.running():
        here.door.present(admitted(1))
        here.door.present(replace(admitted(2), is_limited=True))
        await here.clock.pass_(HOLD - 1)
        here.door.present(replace(admitted(3), is_limited=True))
        await here.clock.pass_(1.1)
        assert [admit.session_id for admit in here.strike.admits] == [admitted(1).session_id]
        assert not here.strike.is_released()
        assert {told for told, _, _ in here.ledger.told} == {"admitted", "opens"}
