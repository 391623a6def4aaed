"""The order in which a lock tells: who has heard that a session is over has heard all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from blelockd.protocol.session import Session
from blelockd.protocol.v2.down import Revoke
from blelockd.protocol.v2.reports import Event, EventType
from tests.fakes.clock import settle
from tests.fakes.lock_v2 import Town
from tests.fakes.spool import FakeSpool


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    town = Town(None, spool=FakeSpool())
    async with town.open():
        await town.pass_(10)
        yield town


def happens(town: Town, times: int) -> None:
    """Something happens at the door."""
    for _ in range(times):
        town.lock.log.add(EventType.OPENED)


async def test_an_opening_stands_before_the_revocation_that_follows_it(town: Town) -> None:
    """Whoever hears that a session is over has heard of all that it opened."""
    first, second = await town.learns(), await town.learns()
    town.lock.hears(first)
    await town.pass_(0.01)
    town.lock.hears_bytes(_token(town, second), address="C0:00:00:00:00:02")
    for session in (first, second):
        assert await town.send(Revoke(session.session_id)) == "APPLIED"
    await town.pass_(3)
    kinds = town.issuer.kinds()[2:]
    assert kinds == ["OPENED", "OPENED", "SESSION_REVOKED", "SESSION_REVOKED"]
    assert len(town.lock.strike.releases) == 1


async def test_a_session_that_is_not_held_is_told_revoked_too(town: Town) -> None:
    session_id = town.issuer.a_session().session_id
    assert await town.send(Revoke(session_id)) == "APPLIED"
    await settle()
    (event,) = town.issuer.said_of(Event)
    assert (event.kind, event.session_id) == (EventType.SESSION_REVOKED, session_id)


async def test_an_event_of_a_boot_is_told_when_all_of_the_boot_before_are_with_the_issuer(
    town: Town,
) -> None:
    town.issuer.deaf = True
    happens(town, 3)
    await settle()
    await town.restart()
    happens(town, 2)
    await town.pass_(100)
    assert len({event.epoch for event in town.issuer.said_of(Event)}) == 1
    town.issuer.deaf = False
    await town.pass_(130)
    assert [len(events) for events in town.issuer.events.values()] == [3, 2]


def _token(town: Town, session: Session) -> bytes:
    now = town.time.now
    return session.scheme.token(session.slot_at(now)).reveal()
