"""Who is the same guest at a door of version 2: whoever has the same key, and nobody else."""

from __future__ import annotations

from pathlib import Path

from blelockd.services.events import EventKind
from blelockd.services.tally import Counted
from tests.fakes.lock_v2 import HERE, REARM_SECONDS, Town

ONE, OTHER = b"e" * 16, b"m" * 16
THERE = "C0:00:00:00:00:02"


async def test_a_guest_who_shows_the_address_of_another_does_not_keep_them_out(
    tmp_path: Path,
) -> None:
    async with Town(tmp_path / "state").open() as town:
        await town.pass_(10)
        hostile, honest = [await town.learns(guest=guest) for guest in (ONE, OTHER)]
        town.lock.hears(hostile, address=THERE)
        await town.pass_(1)
        for _ in range(10):
            town.lock.hears(honest, address=THERE)
            await town.pass_(1)
        let_in = [event.fields["session"] for event in town.lock.journal.of(EventKind.UNLOCK)]
        assert let_in == [hostile.session_id, honest.session_id]
        assert town.lock.journal.of(EventKind.HELD_BACK) == []


async def test_a_guest_with_two_sessions_and_ever_new_addresses_opens_once_until_it_was_away(
    tmp_path: Path,
) -> None:
    async with Town(tmp_path / "state").open() as town:
        await town.pass_(10)
        sessions = [await town.learns(guest=ONE) for _ in range(2)]
        for number in range(10):
            town.lock.hears(sessions[number % 2], address=f"C0:00:00:00:00:{number:02X}")
            await town.pass_(REARM_SECONDS - 1)  # each session is away for long enough by itself
        assert len(town.lock.journal.of(EventKind.UNLOCK)) == 1
        await town.pass_(1)
        town.lock.hears(sessions[0])
        assert len(town.lock.journal.of(EventKind.UNLOCK)) == 2


async def test_a_renewed_session_under_a_new_address_is_held_back_once(tmp_path: Path) -> None:
    async with Town(tmp_path / "state").open() as town:
        await town.pass_(10)
        before, renewed = [await town.learns(guest=ONE) for _ in range(2)]
        town.lock.hears(before)
        for _ in range(3):
            await town.pass_(1)
            town.lock.hears(renewed, address=THERE)
        (event,) = town.lock.journal.of(EventKind.HELD_BACK)
        assert event.fields["session"] == renewed.session_id
        assert town.lock.counted(Counted.STILL_PRESENT) == 2


async def test_whether_a_guest_who_waits_was_let_in_is_asked_of_the_guest_not_the_address(
    tmp_path: Path,
) -> None:
    async with Town(tmp_path / "state").open() as town:
        await town.pass_(10)
        one, renewed = [await town.learns(guest=ONE) for _ in range(2)]
        other = await town.learns(guest=OTHER)
        town.lock.hears(one)
        town.lock.hears(renewed, shift=1, address=THERE)
        assert town.lock.journal.of(EventKind.WAITING) == []
        town.lock.hears(other, shift=1, address=HERE)
        (event,) = town.lock.journal.of(EventKind.WAITING)
        assert event.fields["session"] == other.session_id
