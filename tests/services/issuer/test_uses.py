"""How often a guest may open: never more than its grant or rule says."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.ids import SessionId
from blelockd.protocol.v2.reports import EventType
from blelockd.services.guest.provisioning import Obstacle
from blelockd.services.issuer.access import Grant, Policy, Rule
from tests.fakes.clock import settle
from tests.fakes.office import Premises
from tests.fakes.paper_lock import BACK, PaperLock
from tests.services.issuer.deciding import OTHER_GSK, refused


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


def _asked(here: Premises, **who: object) -> asyncio.Future[Obstacle]:
    return asyncio.ensure_future(refused(here, **who))  # type: ignore[arg-type]


async def test_uses_are_counted_by_openings_and_never_allowed_twice(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=2))
    async with here.running(lock):
        first = (await here.ask()).session
        assert lock.sessions[first.session_id].terms.max_uses == 2
        second = (await here.ask()).session
        assert list(lock.sessions) == [second.session_id]
        assert lock.sessions[second.session_id].terms.max_uses == 2
        lock.event(EventType.OPENED, second.session_id)
        await settle()
        third = (await here.ask()).session
        assert lock.sessions[third.session_id].terms.max_uses == 1
        lock.event(EventType.OPENED, third.session_id)
        await settle()
        assert await refused(here) is Obstacle.USES_SPENT


async def test_uses_that_may_still_be_spent_elsewhere_are_not_given_again(here: Premises) -> None:
    """The lock that has them is out of reach: it may open once for the first session."""
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        first = (await here.ask()).session
        here.broker.withholds = True
        asking = _asked(here)
        await here.time.pass_(2.5)
        assert await asking is Obstacle.LOCK_OFFLINE
        assert list(lock.sessions) == [first.session_id]


async def test_uses_of_a_rule_are_shared_by_the_devices_of_a_person(tmp_path: Path) -> None:
    policy = Policy((Rule("once", frozenset({"mara"}), uses=1),))
    here = Premises(tmp_path / "store", policy=policy)
    lock, _, _ = here.lock(), here.enrolled(), here.enrolled(key=OTHER_GSK)
    async with here.running(lock):
        first = (await here.ask()).session
        second = (await here.ask(key=OTHER_GSK)).session
        assert list(lock.sessions) == [second.session_id] != [first.session_id]
        lock.event(EventType.OPENED, second.session_id)
        await settle()
        assert await refused(here) is Obstacle.USES_SPENT


async def test_uses_of_a_device_that_is_somebody_elses_since_are_called_in(tmp_path: Path) -> None:
    """They count for the person who had it then, and the lock that has them is out of reach."""
    policy = Policy((Rule("once", frozenset({"mara"}), uses=1),))
    here = Premises(tmp_path / "store", policy=policy)
    lock, back = here.lock(), here.lock(BACK)
    _, _ = here.enrolled(), here.enrolled(key=OTHER_GSK)
    async with here.running(lock, back):
        first = (await here.ask()).session
        lock.is_silent = lock.keeps_events = True
        here.enrolled("grace")
        asking = _asked(here, lock_id=BACK.lock_id, key=OTHER_GSK)
        await here.time.pass_(2.5)
        assert await asking is Obstacle.LOCK_OFFLINE
        assert not back.sessions
        lock.event(EventType.OPENED, first.session_id)
        lock.tell_ended()
        await settle()
        assert await refused(here, BACK.lock_id, key=OTHER_GSK) is Obstacle.USES_SPENT


async def test_an_opening_that_crosses_a_revocation_is_counted_before_more_is_given(
    here: Premises,
) -> None:
    """The lock has acknowledged the REVOKE, and what it opened before is still on its disk."""
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        first = (await here.ask()).session
        lock.keeps_events = True
        asking = _asked(here)
        await settle()
        assert not lock.sessions
        assert not asking.done()
        lock.event(EventType.OPENED, first.session_id)
        lock.tell_ended()
        await settle()
        assert await asking is Obstacle.USES_SPENT
        assert not lock.sessions


async def test_a_lock_that_acknowledges_and_does_not_tell_is_waited_for_in_vain(
    here: Premises,
) -> None:
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        first = (await here.ask()).session
        lock.keeps_events = True
        asking = _asked(here)
        await here.time.pass_(2.5)
        assert await asking is Obstacle.LOCK_OFFLINE
        assert not here.operator.sessions.pending()
        lock.event(EventType.OPENED, first.session_id)
        lock.keeps_events = False
        lock.tell_ended()
        await settle()
        assert await refused(here) is Obstacle.USES_SPENT


async def test_what_was_revoked_otherwise_is_asked_for_too(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        session = (await here.ask()).session
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        here.operator.guests.resume(guest.guest_id, here.clock.now())
        await _is_waited_for_and_counted(here, lock, session.session_id)


async def test_what_has_expired_is_asked_for_too(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        session = (await here.ask()).session
        await here.time.pass_(400)
        await _is_waited_for_and_counted(here, lock, session.session_id)


async def _is_waited_for_and_counted(
    here: Premises, lock: PaperLock, session_id: SessionId
) -> None:
    """The guest asks once more, and only then hears the issuer of the opening."""
    lock.keeps_events = True
    asking = _asked(here)
    await settle()
    lock.event(EventType.OPENED, session_id)
    await settle()
    assert not asking.done()
    lock.tell_ended()
    await settle()
    assert await asking is Obstacle.USES_SPENT


async def test_an_end_before_its_time_is_no_proof_for_the_next_boot(here: Premises) -> None:
    """A lock that made room for others has the session again after its next boot."""
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        session = (await here.ask()).session
        lock.event(EventType.SESSION_ENDED, session.session_id)
        lock.keeps_events = True
        asking = _asked(here)
        await settle()
        assert not asking.done()
        lock.tell_ended()
        await settle()
        await asyncio.wait({asking})


async def test_uses_of_a_rule_that_came_meanwhile_are_given_to_who_asks_again(
    tmp_path: Path,
) -> None:
    """What was called in counts against the rule of before."""
    once, twice = (
        Policy((Rule(name, frozenset({"mara"}), uses=uses),))
        for name, uses in (("once", 1), ("twice", 2))
    )
    here = Premises(tmp_path / "store", policy=once)
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        lock.keeps_events = True
        asking = _asked(here)
        await settle()
        assert not asking.done()
        here.office.heed(replace(here.rules, policy=twice))
        lock.keeps_events = False
        lock.tell_ended()
        await settle()
        assert await asking is Obstacle.BUSY
        assert not lock.sessions
        session = (await here.ask()).session
        assert lock.sessions[session.session_id].terms.max_uses == 2


async def test_a_lock_that_was_removed_keeps_nobody_waiting(here: Premises) -> None:
    """What it may have opened counts as used: nothing else can be known of it."""
    front, back, _ = here.lock(), here.lock(BACK), here.enrolled(grant=Grant(None, uses=3))
    async with here.running(front, back):
        first = (await here.ask()).session
        front.event(EventType.OPENED, first.session_id)
        await settle()
        second = (await here.ask(BACK.lock_id)).session
        back.event(EventType.OPENED, second.session_id)
        await settle()
        here.operator.locks.remove(front.keys.lock_id, here.clock.now())  # has told that it is over
        third = (await here.ask(BACK.lock_id)).session
        assert back.sessions[third.session_id].terms.max_uses == 1
        back.is_silent = back.keeps_events = True
        here.operator.locks.remove(back.keys.lock_id, here.clock.now())
        here.lock()
        assert await refused(here) is Obstacle.USES_SPENT


async def test_who_asks_twice_at_once_is_not_allowed_twice(here: Premises) -> None:
    """Over two connections: neither request finds a session of the other to call in."""
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=1))
    async with here.running(lock):
        asking = [asyncio.ensure_future(here.ask(device=f"phone {n}")) for n in range(4)]
        await here.time.pass_(10)
        await asyncio.gather(*asking, return_exceptions=True)
        assert [each.exception() is None for each in asking].count(True) == 1
        assert len(lock.sessions) == 1


async def test_two_devices_of_a_person_that_ask_at_once_are_not_both_allowed(
    tmp_path: Path,
) -> None:
    policy = Policy((Rule("once", frozenset({"mara"}), uses=1),))
    here = Premises(tmp_path / "store", policy=policy)
    lock, _, _ = here.lock(), here.enrolled(), here.enrolled(key=OTHER_GSK)
    async with here.running(lock):
        asking = [
            asyncio.ensure_future(here.ask(device="phone")),
            asyncio.ensure_future(here.ask(key=OTHER_GSK, device="tablet")),
        ]
        await here.time.pass_(10)
        await asyncio.gather(*asking, return_exceptions=True)
        assert len(lock.sessions) == 1
