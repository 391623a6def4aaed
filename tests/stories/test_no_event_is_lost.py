"""Whatever happens to lock, disk and issuer: no opening without its event, and no event twice.

For the long play set BLELOCK_KILL_ROUNDS=100; the count is printed with `pytest -s`.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
from typing import Final

import pytest

from tests.stories.enrolled_play import FIRST_SLOTS_SECONDS, EnrolledPlay, enrolled_play

ROUNDS: Final = int(os.environ.get("BLELOCK_KILL_ROUNDS", "2"))
GUESTS: Final = 4
LITTLE_BYTES: Final = 16_384
"""What the log of the strike needs never, and SQLite's soon."""

pytestmark = pytest.mark.timeout(90 + 30 * ROUNDS)


async def test_killed_at_any_moment_the_lock_loses_no_event() -> None:
    chance = random.Random("kill")
    async with enrolled_play() as play:
        for _ in range(ROUNDS):
            play.issuer.deaf = chance.random() < 0.5
            await _guests_come(play, FIRST_SLOTS_SECONDS + chance.uniform(0, 2))
            since = len(play.lock.events)
            await play.kill()
            await play.lock.told("link-up", since=since, part="time")
        play.issuer.deaf = False
        await play.lets_in(await play.learns())
        await play.audited()
        kinds = play.issuer.kinds()
        assert kinds.count("OPENED") >= len(play.opened()) > ROUNDS
        assert "EVENTS_LOST" not in kinds
        opened = len(play.opened())
    sys.stdout.write(f"\n{ROUNDS} kills, {opened} openings, {len(kinds)} events, none lost\n")


async def _guests_come(play: EnrolledPlay, seconds: float) -> None:
    """One guest after the other is at the door, until the lock is killed under their hands."""
    coming = asyncio.ensure_future(_come_for_ever(play))
    await asyncio.sleep(seconds)
    coming.cancel()
    await asyncio.wait({coming})


async def _come_for_ever(play: EnrolledPlay) -> None:
    while True:
        await play.lets_in(await play.learns(lives_ms=60_000), 30)


async def test_the_door_opens_on_a_full_disk_and_the_issuer_hears_of_it() -> None:
    async with enrolled_play() as play:
        await play.lets_in(await play.learns())
        unlimited = resource.prlimit(play.lock.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(play.lock.pid, resource.RLIMIT_FSIZE, (LITTLE_BYTES, unlimited[1]))
        since = len(play.lock.events)
        for _ in range(GUESTS):
            await play.lets_in(await play.learns())
        lost = await play.lock.told("link-lost", since=since, part="events")
        assert "events.db" in lost.message
        await play.audited()
        resource.prlimit(play.lock.pid, resource.RLIMIT_FSIZE, unlimited)
        await play.lock.told("link-regained", since=since, part="events")
        await play.lets_in(await play.learns())
        await play.kill()
        await play.audited()
        assert "EVENTS_LOST" not in play.issuer.kinds()


async def test_a_damaged_file_of_events_is_set_aside_and_the_door_opens() -> None:
    async with enrolled_play() as play:
        await play.lets_in(await play.learns())
        await play.audited()
        await play.lock.stop()
        (file,) = (play.stage.directory / "state").rglob("events.db")
        file.write_bytes(os.urandom(20_000))
        since = len(play.lock.events)
        await play.lock.start()
        await play.lock.told("link-up", since=since, part="time")
        lost = await play.lock.told("link-lost", since=since, part="events")
        assert "damaged" in lost.message
        await play.lets_in(await play.learns())
        await play.audited()
        assert "EVENTS_LOST" in play.issuer.kinds()
        assert file.with_suffix(".db.damaged").exists()
