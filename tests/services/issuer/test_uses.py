"""How often a guest may open: never more than its grant or rule says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blelockd.protocol.v2.reports import EventType
from blelockd.services.guest.provisioning import Obstacle
from blelockd.services.issuer.access import Grant, Policy, Rule
from tests.fakes.clock import settle
from tests.fakes.office import Premises
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
