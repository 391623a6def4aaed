"""What a lock of version 2 says of its sessions, and what bounds that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.ids import GuestId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.down import Revoke
from blelockd.protocol.v2.reports import Result
from blelockd.services.events import EventKind
from blelockd.services.lock import holdings as holdings_module
from blelockd.services.lock.holdings import HoldingLimits
from tests.fakes.lock_v2 import Town

ANN, BEN = b"a" * 16, b"b" * 16


async def test_what_was_learnt_is_told_with_its_guest_and_its_end(town: Town) -> None:
    session = await town.learns(guest=ANN)
    (received,) = town.lock.journal.of(EventKind.SESSION_RECEIVED)
    assert received.fields["guest"] == session.guest_id
    assert received.fields["not_after"] == session.not_after // MS_PER_SECOND


@pytest.mark.parametrize("heard", [True, False])
async def test_the_end_of_a_session_tells_whether_its_guest_was_ever_heard(
    town: Town, heard: bool
) -> None:
    session = await town.learns(lives_ms=20_000)
    if heard:
        await town.pass_(5)
        town.lock.hears(session)
    await town.pass_(25)
    (ended,) = town.lock.journal.of(EventKind.SESSION_ENDED)
    assert ended.fields["heard"] is heard
    assert ("no token of it was ever heard" in ended.message) is not heard


async def test_a_revoked_session_goes_alone_and_is_told(town: Town) -> None:
    gone, kept = await town.learns(guest=ANN), await town.learns(guest=ANN)
    await town.send(Revoke(gone.session_id))
    assert list(town.lock.holdings._live) == [kept.session_id]
    (revoked,) = town.lock.journal.of(EventKind.SESSION_REVOKED)
    assert (revoked.fields["session"], revoked.fields["guest"]) == (
        gone.session_id,
        gone.guest_id,
    )


async def test_a_revoked_guest_goes_with_all_sessions_and_nobody_else_does(town: Town) -> None:
    for _ in range(2):
        await town.learns(guest=ANN)
    bens = await town.learns(guest=BEN)
    await town.send(Revoke(GuestId(ANN)))
    assert list(town.lock.holdings._live) == [bens.session_id]
    assert town.issuer.kinds().count("SESSION_REVOKED") == 2


async def test_only_a_session_that_is_named_is_told_revoked_though_it_is_not_here(
    town: Town,
) -> None:
    await town.send(Revoke(GuestId(ANN)))
    await town.send(Revoke(None))
    assert town.issuer.kinds() == []
    await town.send(Revoke(SessionId(b"s" * 16)))
    await town.pass_(1)
    assert town.issuer.kinds() == ["SESSION_REVOKED"]


async def test_before_the_time_is_known_nothing_is_learnt_and_nothing_ends(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.learns(lives_ms=5000)
    holdings = town.lock.holdings
    monkeypatch.setattr(holdings, "_now", lambda: None)
    await town.pass_(10)
    assert not holdings.expire(8)
    assert len(holdings) == 1
    assert await holdings.take(town.issuer.a_session()) is Result.NO_TIME
    assert len(holdings) == 1


async def test_sessions_end_in_pieces_and_more_is_said_while_there_may_be_more(town: Town) -> None:
    for number in range(3):
        await town.learns(guest=bytes([number]) * 16, lives_ms=5000)
    holdings = town.lock.holdings
    later = Instant(town.time.now + 6000)
    holdings._now = lambda: later
    assert holdings.expire(2)
    assert len(holdings) == 1
    assert not holdings.expire(2)
    assert len(holdings) == 0
    assert not holdings.expire(2)


async def test_the_end_of_a_session_that_made_room_ends_nothing(tmp_path: Path) -> None:
    town = Town(tmp_path, limits=HoldingLimits(one_guest=True))
    async with town.open():
        await town.learns(guest=ANN, lives_ms=10_000)
        last = await town.learns(guest=BEN, lives_ms=60_000)
        await town.pass_(20)
        assert list(town.lock.holdings._live) == [last.session_id]
        assert len(town.lock.journal.of(EventKind.SESSION_ENDED)) == 1


async def test_of_what_is_over_a_bounded_number_is_known_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings_module, "_MOST_OVER", 3)
    sessions = [await town.learns(lives_ms=60_000) for _ in range(4)]
    await town.send(Revoke(None))
    assert list(town.lock.holdings._over) == [session.session_id for session in sessions[1:]]


async def test_a_refused_session_is_told_once_a_minute(town: Town) -> None:
    message = town.issuer.a_session()
    endless = replace(
        message, terms=replace(message.terms, not_after=Instant(town.time.now + 90_000_000))
    )
    for _ in range(3):
        assert await town.send(endless) == "MALFORMED"
    (refused,) = town.lock.journal.of(EventKind.SESSION_REFUSED)
    assert "longer than this lock allows" in refused.message
    await town.pass_(61)
    await town.send(endless)
    assert len(town.lock.journal.of(EventKind.SESSION_REFUSED)) == 2


async def test_a_long_revocation_leaves_the_loop_to_others(tmp_path: Path) -> None:
    town = Town(tmp_path, limits=HoldingLimits(sessions_per_guest=200))
    async with town.open():
        town.issuer.silent = True
        for _ in range(100):
            await town.lock.holdings.take(town.issuer.a_session(guest=ANN))
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        running = asyncio.ensure_future(others())
        await town.lock.holdings.revoke(Revoke(None))
        running.cancel()
        assert turns >= 3
        assert len(town.lock.holdings) == 0
