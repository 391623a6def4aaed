"""What the guest has on the air: the right token in each slot, nothing when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.session import Session
from blelockd.services.events import EventKind
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried
from blelockd.services.ports import LinkDown
from tests.fakes.clock import FakeClock, settle
from tests.fakes.enrolled import a_v2_session
from tests.fakes.journal import RememberingJournal
from tests.fakes.keys import LOCK_ID
from tests.fakes.radio import FakeBroadcaster
from tests.fakes.sessions import SLOT_MS, a_session, token_at
from tests.fakes.waiting import running

OTHER = LockId("lock_02")


class Pocket:
    """A phone with its sessions and its radio."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = RememberingJournal()
        self.presence = Presence(self.journal, self.clock)
        self.radio = FakeBroadcaster()

    def carry(self, session: Session) -> None:
        """The phone has got `session`, whose time is the wall clock's."""
        self.presence.carry(Carried(session, self.clock.now))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The phone advertises while the context lasts."""
        async with running(self.presence.run(self.radio)) as task:
            await settle()
            yield task


async def test_each_slot_has_its_token_from_its_first_moment() -> None:
    here = Pocket()
    session = a_session()
    async with here.running():
        here.carry(session)
        await here.clock.pass_(0.0)
        for _ in range(40):
            assert here.radio.on_air == token_at(session, here.clock.now())
            await here.clock.pass_(SLOT_MS / 2000)
        assert here.presence.tokens_broadcast == len(set(here.radio.payloads)) == 21


async def test_a_phone_without_a_session_is_silent() -> None:
    here = Pocket()
    async with here.running():
        await here.clock.pass_(100.0)
        assert (here.radio.on_air, here.presence.on_air) == (None, False)
        here.carry(a_session())
        await here.clock.pass_(0.0)
        assert here.presence.on_air
        here.presence.drop(OTHER)
        here.presence.drop(LOCK_ID)
        await here.clock.pass_(0.0)
        assert (here.radio.on_air, here.presence.on_air) == (None, False)
        assert here.presence.carried() == []


async def test_a_session_leaves_the_air_at_its_end() -> None:
    here = Pocket()
    async with here.running():
        here.carry(a_session(lives_seconds=7))
        await here.clock.pass_(6.9)
        assert len(here.radio.payloads) == 2
        await here.clock.pass_(0.1)
        assert here.radio.on_air is None
        assert here.journal.kinds() == [EventKind.SESSION_ENDED]


async def test_a_renewed_session_takes_over_at_once() -> None:
    here = Pocket()
    old, new = a_session(1), a_session(2)
    async with here.running():
        here.carry(old)
        await here.clock.pass_(1.0)
        here.carry(new)
        await here.clock.pass_(0.0)
        assert here.radio.on_air == token_at(new, here.clock.now())
        assert here.presence.carried() == [LOCK_ID]


async def test_of_two_sessions_each_has_every_other_second() -> None:
    here = Pocket()
    one, other = a_session(1), a_session(2, lock_id=OTHER)
    here.carry(one)
    here.carry(other)
    async with here.running():
        for second in range(20):
            await here.clock.pass_(0.9)
            shown = (one, other)[second % 2]
            assert here.radio.on_air == token_at(shown, here.clock.now())
            await here.clock.pass_(0.1)
        assert len(here.radio.payloads) <= 25


async def test_sessions_for_several_locks_take_turns() -> None:
    here = Pocket()
    sessions = [a_session(1), a_session(2, lock_id=OTHER), a_session(3, lock_id=LockId("lock_03"))]
    async with here.running():
        for session in sessions:
            here.carry(session)
        await here.clock.pass_(0.0)
        for _ in range(10):
            shown = set()
            for _ in range(6):
                shown.add(here.radio.on_air)
                await here.clock.pass_(0.5)
            now = here.clock.now()
            recent = {token_at(s, now, shift) for s in sessions for shift in (0, -1)}
            assert shown <= recent
            owners = {s.session_id for s in sessions for t in shown if t in _tokens(s, now)}
            assert len(owners) == 3


def _tokens(session: Session, now: Instant) -> set[bytes]:
    return {token_at(session, now, shift) for shift in (0, -1)}


@pytest.mark.parametrize("step_ms", [-3_600_000, -1, 1, 3_600_000])
async def test_after_a_step_of_the_clock_the_token_is_of_the_new_time_within_a_slot(
    step_ms: int,
) -> None:
    here = Pocket()
    session = a_session(lives_seconds=86_400)
    async with here.running():
        here.carry(session)
        await here.clock.pass_(1.0)
        here.clock.step(step_ms)
        await here.clock.pass_(SLOT_MS / 1000)
        now = here.clock.now()
        assert here.radio.on_air in {token_at(session, now), token_at(session, now, -1)}
        sent = len(here.radio.payloads)
        await here.clock.pass_(60.0)
        assert 12 <= len(here.radio.payloads) - sent <= 14


async def test_a_radio_that_fails_ends_the_show_and_is_left_silent() -> None:
    here = Pocket()
    here.carry(a_session())
    here.radio.broken = True
    with pytest.raises(LinkDown, match="the adapter is gone"):
        await here.presence.run(here.radio)
    assert (here.radio.on_air, here.presence.on_air) == (None, False)
    assert here.radio.silences == 1


async def test_a_phone_that_is_switched_off_is_silent() -> None:
    here = Pocket()
    async with here.running():
        here.carry(a_session())
        await here.clock.pass_(1.0)
    assert here.radio.on_air is None
    assert here.clock.time.sleepers == 0


async def test_sessions_are_kept_from_one_radio_to_the_next() -> None:
    here = Pocket()
    session = a_session()
    async with here.running():
        here.carry(session)
        await here.clock.pass_(1.0)
    here.radio = FakeBroadcaster()
    async with here.running():
        assert here.radio.on_air == token_at(session, here.clock.now())


async def test_tokens_of_version_2_roll_in_the_issuers_time_whatever_the_wall_clock_does() -> None:
    here = Pocket()
    session = a_v2_session()
    issuers = FakeClock(here.clock.time, skew_ms=1234)
    async with here.running():
        here.presence.carry(Carried(session, issuers.now))
        for _ in range(10):
            here.clock.step(-777_000)
            await here.clock.pass_(1.3)
            token = session.scheme.token(session.slot_at(issuers.now())).reveal()
            assert here.radio.on_air == token
            assert len(token) == 20
