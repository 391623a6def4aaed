"""Who echoes what is on the air can have sessions refused; what is told of it is bounded."""

from __future__ import annotations

from pathlib import Path

from blelockd.protocol.session import Session
from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.verdict import Reason
from blelockd.services.events import EventKind
from blelockd.services.lock.admission import TOLD_AT_ONCE
from blelockd.services.tally import Counted
from tests.fakes.lock_v2 import Town
from tests.fakes.waiting import running

STRANGER = "C0:00:00:00:00:99"
INDEX = 8  # bytes of a token with its index; the tag follows
TOO_WEAK_DBM, UNKNOWN_DBM = -90, 127


async def a_busy_door(town: Town, sessions: int) -> list[Session]:
    """So many guests have a live session."""
    await town.pass_(10)
    live = [await town.learns(guest=n.to_bytes(16, "big")) for n in range(sessions)]
    await town.pass_(3)
    return live


def echo(town: Town, live: list[Session], rssi_dbm: int = -50) -> None:
    """A stranger sends the index of each, with a tag of its own."""
    now = town.time.now
    for session in live:
        token = session.scheme.token(session.slot_at(now)).reveal()
        town.lock.hears_bytes(token[:INDEX] + bytes(12), rssi_dbm, STRANGER)


def refused_on_disk(town: Town) -> int:
    """How many refusals went through the lock's disk to the issuer."""
    return sum(EventType[kind] >= EventType.NO_RSSI for kind in town.issuer.kinds())


async def test_who_echoes_the_tokens_of_many_sessions_fills_neither_journal_nor_disk(
    tmp_path: Path,
) -> None:
    async with Town(tmp_path / "state", most_events=10_000).open() as town:
        live = await a_busy_door(town, 400)
        for _ in range(3):
            for rssi_dbm in (-50, TOO_WEAK_DBM, UNKNOWN_DBM):
                echo(town, live, rssi_dbm)
        told = town.lock.journal.reasons()
        assert len(told) == 3 * TOLD_AT_ONCE
        assert set(told) == {Reason.FORGED, Reason.TOO_FAR, Reason.NO_RSSI}
        await town.pass_(30)
        assert refused_on_disk(town) == len(told)
        counted = [town.lock.counted(Counted.QUIETED_REFUSAL)]
        counted.append(town.lock.counted(Counted.UNTOLD_REFUSAL))
        assert sum(counted) + len(told) == 3 * 3 * len(live)
        assert town.lock.counted(Counted.UNTOLD_REFUSAL) == 3 * 3 * (len(live) - TOLD_AT_ONCE)


async def test_a_stranger_who_goes_on_is_told_twice_a_minute(tmp_path: Path) -> None:
    async with Town(tmp_path / "state", most_events=10_000).open() as town:
        live = await a_busy_door(town, 200)
        for _ in range(20):
            echo(town, live)
            await town.pass_(6)
        assert TOLD_AT_ONCE + 3 <= len(town.lock.journal.reasons()) <= TOLD_AT_ONCE + 4


async def test_a_flood_of_forged_tokens_hides_no_refusal_of_another_kind(tmp_path: Path) -> None:
    async with Town(tmp_path / "state").open() as town:
        live = await a_busy_door(town, 200)
        echo(town, live)
        town.lock.hears(live[-1], rssi_dbm=TOO_WEAK_DBM)
        assert town.lock.journal.reasons()[-1] == Reason.TOO_FAR
        town.lock.hears(live[-1])
        assert town.lock.journal.kinds()[-1] is EventKind.UNLOCK


async def test_refusals_that_were_not_told_are_summed_up(tmp_path: Path) -> None:
    async with Town(tmp_path / "state").open() as town:
        live = await a_busy_door(town, TOLD_AT_ONCE + 7)
        async with running(town.lock.tally.run()):
            echo(town, live)
            await town.pass_(1)
        (summary,) = town.lock.journal.of(EventKind.SUMMARY)
        assert summary.fields["untold_refusal"] == 7
        assert "7 refusals beyond those that are told" in summary.message


async def test_guests_who_wait_are_told_in_a_bounded_number_and_let_in_all_the_same(
    tmp_path: Path,
) -> None:
    async with Town(tmp_path / "state").open() as town:
        live = await a_busy_door(town, TOLD_AT_ONCE + 20)
        for session in live:
            town.lock.hears(session, shift=1)
        assert len(town.lock.journal.of(EventKind.WAITING)) == TOLD_AT_ONCE
        await town.pass_(3)
        assert len(town.lock.journal.of(EventKind.UNLOCK)) == len(live)
