"""The guest never stands before a door with nothing, as far as that can be helped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

import pytest

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import Carried, Progress, ProvisioningLimits
from blelockd.services.guest.renewal import RenewalPolicy
from blelockd.services.issuer.issuance import IssuancePolicy
from tests.fakes.central import FakePeripheral
from tests.fakes.clock import FakeTime, settle
from tests.fakes.house import GuestSide, IssuerSide
from tests.fakes.keys import LOCK, LOCK_ID
from tests.fakes.outlet import FakeOutlet
from tests.fakes.sessions import a_session
from tests.fakes.waiting import running


class Evening:
    """A guest with its issuer, over hours."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.peripheral = FakePeripheral()
        self.issuer = IssuerSide(self.time, FakeOutlet(), self.peripheral)
        self.guest = GuestSide(self.time, self.peripheral)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The guest renews while the context lasts."""
        async with running(self.guest.renewal.run()):
            await settle()
            yield

    def obtained(self) -> int:
        """How many sessions the guest got."""
        return len(self.guest.journal.of(EventKind.SESSION_OBTAINED))


async def test_a_session_is_renewed_a_minute_before_its_end() -> None:
    here = Evening()
    async with here.running():
        assert here.obtained() == 1
        await here.time.pass_(239.9)
        assert here.obtained() == 1
        await here.time.pass_(0.2)
        assert here.obtained() == 2
        await here.time.pass_(3600.0)
        assert here.obtained() == 2 + 15
        assert str(here.guest.part).startswith("session up: ")


async def test_a_session_that_was_obtained_is_carried_and_told() -> None:
    here = Evening()
    async with here.running():
        (event,) = here.guest.journal.of(EventKind.SESSION_OBTAINED)
        end = here.time.now // 1000 + 300
        assert here.guest.presence.carried() == [LOCK_ID]
        assert (event.fields["not_after"], event.fields["lock"]) == (end, LOCK_ID)
        until = datetime.fromtimestamp(end).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        assert str(here.guest.part) == f"session up: session until {until}"


BY_HAND: Final = ("intent", "challenge")


class Strict:
    """Provisioning of sessions that open by hand only, while `by_hand`."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self.limits = ProvisioningLimits()
        self.by_hand = True
        self.wants = ""

    async def obtain(self, lock_id: LockId, _progress: Progress = print) -> Carried:
        """A session of five minutes."""
        session = a_session(1, lock_id=lock_id, at=self._now())
        intent, challenge = (self.wants == mode and self.by_hand for mode in BY_HAND)
        session = replace(session, intent_required=intent, challenge_mode=challenge)
        return Carried(session, self._now)


@pytest.mark.parametrize("wants", BY_HAND)
async def test_a_session_that_opens_by_hand_only_is_not_shown_in_passing(wants: str) -> None:
    here = Evening()
    strict = here.guest.renewal._provisioning = Strict(lambda: here.time.now)
    strict.wants = wants
    async with here.running():
        assert here.guest.presence.carried() == []
        assert "opens by hand only: blelock-guest unlock lock_01" in str(here.guest.part)
        (event,) = here.guest.journal.of(EventKind.SESSION_OBTAINED)
        assert "not shown" in event.message
        strict.by_hand = False
        await here.time.pass_(241.0)
        assert here.guest.presence.carried() == [LOCK_ID]
        strict.by_hand = True
        await here.time.pass_(241.0)
        assert here.guest.presence.carried() == []


async def test_a_short_session_is_renewed_at_half_its_life() -> None:
    here = Evening()
    here.issuer.issuance.policy = IssuancePolicy({LOCK_ID: LOCK.public_key}, lifetime_seconds=30)
    async with here.running():
        await here.time.pass_(14.9)
        assert here.obtained() == 1
        await here.time.pass_(0.2)
        assert here.obtained() == 2


async def test_an_absent_issuer_is_asked_ever_more_patiently() -> None:
    here = Evening()
    here.guest.central.peripheral = None
    async with here.running():
        await here.time.pass_(600.0)
        failures = here.guest.journal.of(EventKind.SESSION_FAILED)
        assert 12 <= len(failures) <= 30
        assert str(here.guest.part) == "session down: no issuer heard within 8 s"
        here.guest.central.peripheral = here.peripheral
        await here.time.pass_(61.0)
        assert here.obtained() == 1
        assert str(here.guest.part).startswith("session up: ")


async def test_after_a_success_patience_begins_anew() -> None:
    here = Evening()
    here.guest.central.peripheral = None
    async with here.running():
        await here.time.pass_(600.0)
        here.guest.central.peripheral = here.peripheral
        await here.time.pass_(61.0)
        here.guest.central.peripheral = None
        before = len(here.guest.journal.of(EventKind.SESSION_FAILED))
        await here.time.pass_(240.0)
        failed = here.guest.journal.of(EventKind.SESSION_FAILED)[before:]
        assert [event.message.endswith("next try in 1 s") for event in failed[:1]] == [True]


async def test_a_final_denial_is_asked_again_once_a_minute_only() -> None:
    here = Evening()
    here.issuer.issuance.policy = IssuancePolicy({})
    async with here.running():
        for _ in range(10):
            await here.time.pass_(60.0)
        failures = here.guest.journal.of(EventKind.SESSION_FAILED)
        assert 8 <= len(failures) <= 11
        assert "Unknown lock id lock_01" in failures[0].message


async def test_the_watchdog_hears_of_a_guest_who_only_waits() -> None:
    here = Evening()
    async with here.running():
        for _ in range(100):
            await here.time.pass_(5.0)
            assert here.guest.liveness.silent() == []


async def test_a_guest_whose_clock_is_set_asks_anew_at_once() -> None:
    for step_ms in (-3_600_000, -5000, 5000, 3_600_000):
        here = Evening()
        async with here.running():
            await here.time.pass_(20.0)
            here.guest.clock.step(step_ms)
            here.issuer.clock.step(step_ms)
            await here.time.pass_(6.0)
            assert here.obtained() == 2


async def test_a_clock_that_trembles_is_not_one_that_was_set() -> None:
    here = Evening()
    async with here.running():
        for step_ms in (900, -1800, 1500):
            here.guest.clock.step(step_ms)
            await here.time.pass_(20.0)
        assert here.obtained() == 1


async def test_a_policy_may_change_while_the_guest_waits() -> None:
    here = Evening()
    here.guest.renewal.policy = RenewalPolicy(renew_before_seconds=100.0)
    async with here.running():
        await here.time.pass_(200.1)
        assert here.obtained() == 2


async def test_fake_time_gets_on_however_short_the_sleep() -> None:
    time = FakeTime()
    async with running(time.sleep(1e-9)) as sleeper:
        await settle()
        await time.pass_(0.001)
        assert sleeper.done()
        assert time.elapsed_ms == 1
