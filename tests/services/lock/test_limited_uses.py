"""How often a session may open the door: never more, also across restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blelockd.protocol.session import Session
from blelockd.protocol.v2.reports import Event, EventType, Hello
from blelockd.protocol.verdict import Reason
from blelockd.services.lock.event_log import LONGEST_WAIT_SECONDS
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


@pytest.mark.parametrize("trouble", ["full", "dead", "damaged"])
async def test_a_session_of_limited_uses_opens_nothing_that_the_disk_does_not_take(
    place: Place, trouble: str
) -> None:
    """Nothing is known of the trouble until this opening is written."""
    limited, free = await place.town.learns(max_uses=1), await place.town.learns()
    await place.town.pass_(10)
    place.issuer.deaf = True
    setattr(place.disk, trouble, True)
    place.town.lock.hears(limited)
    await place.town.pass_(0.1)
    assert place.town.lock.strike.releases == []
    assert place.town.lock.journal.reasons() == [Reason.USES_SPENT]
    place.town.lock.hears(free, address="C0:00:00:00:00:02")
    await place.town.pass_(0.1)
    assert [admit.session_id for admit in place.town.lock.strike.admits] == [free.session_id]
    setattr(place.disk, trouble, False)
    place.issuer.deaf = False
    await place.town.pass_(130)
    told = [event.kind.name for event in _of(place, limited)]
    assert told == ["SESSION_LEARNT", "OPENED", "STRIKE_FAILED", "USES_SPENT"]
    assert not await opens(place.town, limited)  # its use stays counted


async def test_a_session_of_limited_uses_does_not_open_before_a_slow_disk_has_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited, free = await place.town.learns(max_uses=2), await place.town.learns()
    await place.town.pass_(10)
    place.issuer.deaf = True
    log, written = place.town.lock.log, asyncio.Event()
    genuine = log._save

    async def slowly() -> None:
        await written.wait()
        await genuine()

    monkeypatch.setattr(log, "_save", slowly)
    for session, address in ((limited, "C0:00:00:00:00:01"), (free, "C0:00:00:00:00:02")):
        place.town.lock.hears(session, address=address)
        await place.town.pass_(LONGEST_WAIT_SECONDS + 0.1)
    assert [admit.session_id for admit in place.town.lock.strike.admits] == [free.session_id]
    for _ in range(10):
        await place.town.pass_(1)
        place.town.lock.hears(limited)
    kinds = [event.kind.name for event in log._unsaved if event.session_id == limited.session_id]
    assert kinds.count("OPENED") == kinds.count("STRIKE_FAILED") == 1  # it cost one use, not all
    written.set()
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 1
    assert await opens(place.town, limited)
    assert not await opens(place.town, limited)


async def test_an_opening_that_was_written_late_is_a_use_where_the_power_fails_before_more_is(
    place: Place,
) -> None:
    session = await place.town.learns(max_uses=1)
    await place.town.pass_(10)
    place.issuer.deaf = True
    place.disk.full = True
    place.town.lock.hears(session)
    await place.town.pass_(0.1)
    (opened, *_) = place.town.lock.log._unsaved
    assert opened.kind is EventType.OPENED
    await place.town.kill()
    place.disk.full = False
    place.disk.append([opened])
    place.town.lock = type(place.town.lock)(
        place.town.clock, place.town.spool, place.town.to_issuer
    )
    await place.town.start()
    assert session.session_id in place.town.lock.holdings._live
    assert not await opens(place.town, session)


# --- what cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize("is_used", [True, False])
async def test_a_session_of_limited_uses_is_learnt_when_the_disk_says_how_often_it_opened(
    place: Place, is_used: bool
) -> None:
    town = place.town
    limited, free = await town.learns(max_uses=1), await town.learns()
    await town.pass_(10)
    place.issuer.deaf = True
    if is_used:
        assert await opens(town, limited)
    place.disk.dead = True
    await town.restart()
    assert list(town.lock.holdings._live) == [free.session_id]
    assert await opens(town, free)
    assert not await opens(town, limited)
    assert await town.send(place.issuer.a_session(max_uses=1)) == "FULL"
    assert await town.send(place.issuer.a_session()) == "APPLIED"
    assert "does not say how often it has opened" in town.lock.journal.text()
    greetings = len(place.issuer.said_of(Hello))
    place.disk.dead = False
    await town.pass_(10)
    assert len(place.issuer.said_of(Hello)) == greetings + 1
    assert limited.session_id in town.lock.holdings._live
    assert await opens(town, limited) is not is_used
    assert not await opens(town, limited)


def _of(place: Place, session: Session) -> list[Event]:
    """What the issuer has of that session."""
    events = [event for each in place.issuer.events.values() for event in each]
    return [event for event in events if event.session_id == session.session_id]
