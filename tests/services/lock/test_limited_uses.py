"""How often a session may open the door: never more, also across restarts."""

from __future__ import annotations

from pathlib import Path

from blelockd.protocol.verdict import Reason
from tests.fakes.clock import FakeClock, settle
from tests.fakes.lock_v2 import REARM_SECONDS, Town
from tests.fakes.strike import FailingStrike
from tests.services.lock.place import Place


async def opens(town: Town, session: object) -> bool:
    """Whether the door opens for a guest who comes back."""
    await town.pass_(REARM_SECONDS + 3)
    before = len(town.lock.strike.releases)
    town.lock.hears(session)  # type: ignore[arg-type]
    await town.pass_(0.1)
    return len(town.lock.strike.releases) > before


async def test_a_session_for_two_uses_opens_twice(town: Town) -> None:
    session = await town.learns(max_uses=2)
    assert [await opens(town, session) for _ in range(4)] == [True, True, False, False]
    assert Reason.USES_SPENT in town.lock.journal.reasons()


async def test_a_guest_who_stays_uses_the_session_once(town: Town) -> None:
    session = await town.learns(max_uses=2)
    for _ in range(8):
        town.lock.hears(session)
        await town.pass_(1)
    assert await opens(town, session)
    assert not await opens(town, session)


async def test_uses_that_the_issuer_has_not_heard_of_count_after_a_restart(town: Town) -> None:
    session = await town.learns(max_uses=2)
    assert await opens(town, session)
    town.issuer.deaf = True
    assert await opens(town, session)
    await town.restart()
    assert session.session_id in town.lock.holdings._live  # the issuer does not know better
    assert not await opens(town, session)


async def test_a_strike_that_fails_uses_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    strike = FailingStrike(clock, release_fails=True)
    town = Town(tmp_path, strike=strike)
    async with town.open():
        await town.pass_(10)
        session = await town.learns(max_uses=1)
        assert not await opens(town, session)
        strike.release_fails = False
        assert await opens(town, session)
        assert not await opens(town, session)
        assert town.issuer.kinds()[:4] == ["SESSION_LEARNT", "OPENED", "STRIKE_FAILED", "OPENED"]


async def test_a_strike_that_may_have_opened_before_it_failed_uses_the_session(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    strike = FailingStrike(clock, release_fails=True, may_have_opened=True)
    town = Town(tmp_path, strike=strike)
    async with town.open():
        await town.pass_(10)
        session = await town.learns(max_uses=1)
        assert not await opens(town, session)
        strike.release_fails = False
        assert not await opens(town, session)
        assert town.issuer.kinds()[:3] == ["SESSION_LEARNT", "OPENED", "USES_SPENT"]


# --- what cannot be counted ----------------------------------------------------------------------


async def test_without_room_to_count_it_a_session_of_limited_uses_opens_nothing(
    place: Place,
) -> None:
    limited, free = await place.town.learns(max_uses=1), await place.town.learns()
    place.issuer.deaf = True
    for _ in range(11):
        place.happens(100)
        await settle()
    place.town.lock.hears(limited)
    await settle()
    assert place.town.lock.journal.reasons() == [Reason.USES_SPENT]
    place.town.lock.hears(free)
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 1
    place.issuer.deaf = False
    await place.town.pass_(130)
    place.town.lock.hears(limited)
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 2


async def test_while_the_disk_fails_a_session_of_limited_uses_opens_nothing(place: Place) -> None:
    session = await place.town.learns(max_uses=1)
    place.disk.dead = True
    place.happens(1)
    await settle()
    place.town.lock.hears(session)
    await settle()
    assert place.town.lock.journal.reasons() == [Reason.USES_SPENT]
    place.disk.dead = False
    await place.town.pass_(20)
    place.town.lock.hears(session)
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 1
