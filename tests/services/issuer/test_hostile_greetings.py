"""HELLO, where somebody means ill: the time is kept from no lock, and none comes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.protocol.v2.reports import EventType, Hello
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.services.tally import Counted
from tests.fakes import enrolled as party
from tests.fakes.clock import settle
from tests.fakes.office import Premises
from tests.services.issuer.deciding import OTHER_GSK


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def test_forged_hellos_use_up_none_of_what_the_lock_may_ask(here: Premises) -> None:
    """Whoever may write to the lock's topic, and is not the lock, keeps the time from nobody."""
    lock = here.lock()
    async with here.running():
        for _ in range(20):
            hello = Hello(party.fresh(16), party.fresh(16), 0, ClockState.NONE)
            genuine = lock.report(hello)
            forged = genuine[:-1] + bytes([genuine[-1] ^ 1])
            here.office.correspondence.on_report(lock.keys.lock_id, forged)
            await settle()
        assert here.counted(Counted.HOSTILE_REPORT) == 20
        lock.hello()
        await settle()
        assert lock.time == here.clock.now()


async def test_where_the_issuers_clock_went_back_what_was_opened_since_is_over(
    here: Premises,
) -> None:
    """The power was cut, and nothing has set the clock since: minutes come again, and in them the
    tokens that opened the door, which a lock that has booted does not know as spent.
    """
    lock, _ = here.lock(), here.enrolled()
    other = here.enrolled("ada", key=OTHER_GSK)
    async with here.running(lock):
        opened = (await here.ask()).session
        unheard = (await here.ask(key=OTHER_GSK)).session
        await here.time.pass_(100)
        lock.event(EventType.OPENED, opened.session_id)
        await settle()
        lock.boot()
        lock.hello()
        await settle()
        assert set(lock.sessions) == {opened.session_id, unheard.session_id}
        here.clock.step(-60_000)
        lock.boot()
        lock.hello()
        await settle()
        assert list(lock.sessions) == [unheard.session_id]
        assert other.guest_id == lock.sessions[unheard.session_id].guest_id
