"""The lock's sessions of version 2: what lives, what a SYNC ends, and what there is room for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import Revoke, Sync, in_parts
from blelockd.protocol.v2.reports import Hello
from blelockd.protocol.verdict import Reason
from blelockd.services.events import EventKind
from blelockd.services.lock.holdings import HoldingLimits
from tests.fakes.lock_v2 import Town

ANN, BEN = b"a" * 16, b"b" * 16


def live(town: Town) -> set[str]:
    return {str(session_id) for session_id in town.lock.holdings._live}


async def test_after_a_restart_the_lock_has_its_sessions_from_the_issuer_and_not_from_disk(
    town: Town, tmp_path: Path
) -> None:
    sessions = [await town.learns() for _ in range(3)]
    keys = [town.issuer.sessions[session.session_id].session_key for session in sessions]
    files = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())
    assert not [key for key in keys if key.reveal() in files]
    await town.restart()
    assert live(town) == {str(session.session_id) for session in sessions}


async def test_a_session_ends_by_the_time_of_the_issuer_and_by_no_other(town: Town) -> None:
    session = await town.learns(lives_ms=20_000)
    town.clock.step(-3_600_000)
    await town.pass_(19)
    assert live(town)
    await town.pass_(2)
    assert not live(town)
    assert town.issuer.kinds() == ["SESSION_LEARNT", "SESSION_ENDED"]
    (ended,) = town.lock.journal.of(EventKind.SESSION_ENDED)
    assert ended.fields == {
        "session": session.session_id,
        "trace": session.session_id,
        "lock": session.lock_id,
        "heard": False,
    }


async def test_a_broker_that_withholds_everything_keeps_no_session_alive(town: Town) -> None:
    session = await town.learns(lives_ms=20_000)
    town.withholds = True
    town.lock.hears(session)
    await town.pass_(20.5)
    town.lock.hears(session)
    await town.pass_(1)
    assert len(town.lock.strike.releases) == 1


async def test_long_sessions_rest_when_the_lease_is_over_and_short_ones_go_on(town: Town) -> None:
    long, short = await town.learns(lives_ms=7_200_000), await town.learns(lives_ms=880_000)
    town.withholds = True
    await town.pass_(870)
    town.lock.hears(long)
    town.lock.hears(short)
    await town.pass_(30)  # the last TIME was taken 900 s ago or more
    town.lock.hears(long)
    assert town.lock.journal.reasons()[-1] == Reason.SUSPENDED
    assert str(short.session_id) not in live(town)  # it has ended by the lock's own clock
    town.withholds = False
    await town.reconnect()
    await town.pass_(1)
    town.lock.hears(long)
    await town.pass_(0.1)
    assert [admit.session_id for admit in town.lock.strike.admits][-1] == long.session_id
    assert len(town.lock.strike.releases) == 2


@pytest.mark.parametrize("passed", [1, 2])
async def test_a_broker_that_passes_the_time_without_all_of_the_sync_keeps_no_long_session_alive(
    town: Town, monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    long = await town.learns(lives_ms=7_200_000)
    for _ in range(30):  # too many for one part
        town.issuer.a_session(lives_ms=7_200_000)
    answers_to = town.issuer.answers_to
    monkeypatch.setattr(town.issuer, "answers_to", lambda hello: answers_to(hello)[:passed])
    for _ in range(4):
        await town.pass_(300)
        await town.reconnect()
    town.lock.hears(long)
    assert town.lock.journal.reasons()[-1] == Reason.SUSPENDED
    monkeypatch.undo()
    await town.reconnect()
    await town.pass_(1)
    town.lock.hears(long)
    await town.pass_(0.1)
    assert len(town.lock.strike.releases) == 1


async def test_what_a_sync_does_not_name_is_revoked_once_all_of_it_is_here(town: Town) -> None:
    kept = await town.learns()
    gone = await town.learns()
    del town.issuer.sessions[gone.session_id]
    await town.reconnect()
    assert live(town) == {str(kept.session_id)}
    assert town.issuer.kinds() == ["SESSION_LEARNT", "SESSION_LEARNT", "SESSION_REVOKED"]


async def test_a_sync_of_which_a_part_is_missing_revokes_nobody(town: Town) -> None:
    gone = await town.learns()
    del town.issuer.sessions[gone.session_id]
    for _ in range(60):
        town.issuer.a_session(lives_ms=600_000)
    parts = town.issuer.answers_to(await fresh_hello(town))[1:]
    assert len(parts) == 3
    for part in (parts[0], parts[2]):
        assert await town.send(part) == "APPLIED"
    assert str(gone.session_id) in live(town)
    for part in parts:
        assert await town.send(part) == "APPLIED"
    assert str(gone.session_id) not in live(town)
    assert len(live(town)) == 60


async def fresh_hello(town: Town) -> Hello:
    """What the lock said last, after greeting once more; nobody has answered it."""
    town.issuer.silent = True
    await town.reconnect()
    hello: Hello = town.issuer.said_of(Hello)[-1]
    return hello


async def test_a_session_that_comes_between_the_parts_of_a_sync_stays(town: Town) -> None:
    for _ in range(30):
        town.issuer.a_session()
    first, second = town.issuer.answers_to(await fresh_hello(town))[1:]
    await town.send(first)
    new = await town.learns()
    await town.send(second)
    assert str(new.session_id) in live(town)
    assert len(live(town)) == 31


async def test_a_sync_for_another_hello_has_no_effect(town: Town) -> None:
    session = await town.learns()
    old = town.issuer.said_of(Hello)[-1].hello_nonce
    await town.reconnect()
    assert await town.send(Sync(old, 0, 1, ())) == "STALE"
    assert live(town) == {str(session.session_id)}


async def test_what_was_revoked_does_not_come_back_in_this_boot(town: Town) -> None:
    session = await town.learns()
    message = town.issuer.sessions[session.session_id]
    await town.send(Revoke(session.session_id))
    assert await town.send(message) == "TOO_LATE"
    for part in in_parts((await fresh_hello(town)).hello_nonce, [message]):
        assert await town.send(part) == "APPLIED"
    assert not live(town)


async def test_a_session_that_is_known_is_taken_once(town: Town) -> None:
    session = await town.learns()
    assert await town.send(town.issuer.sessions[session.session_id]) == "APPLIED"
    assert town.issuer.kinds() == ["SESSION_LEARNT"]


@pytest.mark.parametrize(
    ("lives_ms", "result"), [(0, "EXPIRED"), (-5000, "EXPIRED"), (86_401_000 + 1000, "MALFORMED")]
)
async def test_a_session_that_is_over_or_would_never_end_is_not_taken(
    town: Town, lives_ms: int, result: str
) -> None:
    message = town.issuer.a_session()
    terms = replace(message.terms, not_after=Instant(town.time.now + lives_ms))
    late = replace(message, not_before=Instant(town.time.now - 10_000), terms=terms)
    assert await town.send(late) == result
    assert not live(town)


async def limited(tmp_path: Path, limits: HoldingLimits) -> Town:
    return Town(tmp_path, limits=limits)


async def test_a_lock_that_is_full_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    town = await limited(tmp_path, HoldingLimits(sessions=2, sessions_per_guest=2))
    async with town.open():
        first = [await town.learns(guest=ANN), await town.learns(guest=ANN)]
        assert await town.send(town.issuer.a_session(guest=BEN)) == "FULL"
        assert live(town) == {str(session.session_id) for session in first}
        assert "holds 2 sessions already" in town.lock.journal.text()
        await town.reconnect()
        assert town.issuer.result_of(town.issuer.sent[-1]) == "FULL"  # the SYNC


@pytest.mark.parametrize("asks", [True, False])
async def test_a_session_that_must_answer_is_not_taken_where_nothing_is_asked(
    tmp_path: Path, asks: bool
) -> None:
    town = await limited(tmp_path, HoldingLimits(asks_questions=asks))
    async with town.open():
        message = town.issuer.a_session(challenge_mode=True)
        assert await town.send(message) == ("APPLIED" if asks else "UNABLE")
        await town.reconnect()  # the issuer still names it
        assert (str(message.session_id) in live(town)) is asks
        assert ("challenge_seconds is off here" in town.lock.journal.text()) is not asks


async def test_of_one_guest_the_oldest_session_makes_room(tmp_path: Path) -> None:
    town = await limited(tmp_path, HoldingLimits(sessions_per_guest=2))
    async with town.open():
        bens = await town.learns(guest=BEN)
        anns = [await town.learns(guest=ANN) for _ in range(3)]
        expected = {str(session.session_id) for session in (bens, *anns[1:])}
        assert live(town) == expected


async def test_a_lock_for_one_guest_has_one_session(tmp_path: Path) -> None:
    town = await limited(tmp_path, HoldingLimits(one_guest=True))
    async with town.open():
        await town.learns(guest=BEN)
        last = await town.learns(guest=ANN)
        assert live(town) == {str(last.session_id)}
        await town.reconnect()  # the issuer still names both
        assert live(town) == {str(last.session_id)}


async def test_a_thousand_sessions_come_and_go_and_leave_nothing_behind(town: Town) -> None:
    town.issuer.silent = True
    for number in range(100):
        await town.learns(guest=bytes([number]) * 16, lives_ms=5000)
    await town.pass_(10)
    holdings = town.lock.holdings
    assert (len(holdings), len(town.lock.verifier), len(holdings._of_guest)) == (0, 0, 0)
