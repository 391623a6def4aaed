"""One token, from 10,000 senders at once, again later, and after a restart: the door opens once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tests.attack.attacks import Attack, Effort, Outcome
from tests.fakes.lock_v2 import REARM_SECONDS, Town

_UNTIL_SLOTS_COUNT_SECONDS: Final = 5.0


async def _crowd(senders: int) -> Outcome:
    with tempfile.TemporaryDirectory() as directory:
        async with Town(Path(directory)).open() as town:
            session = await town.learns(slots_back=3)
            await town.pass_(_UNTIL_SLOTS_COUNT_SECONDS)
            now = town.lock.time.now()
            assert now is not None
            token = session.scheme.token(session.slot_at(now)).reveal()
            await _all_show(town, token, senders)
            await town.pass_(REARM_SECONDS)  # it could open anew, and the token is in its window
            await _all_show(town, token, senders)
            opened = len(town.lock.strike.releases)
            await town.restart()
            await _all_show(town, token, senders)
            opened += len(town.lock.strike.releases)
            return Outcome(3 * senders, opened, allowed=1)


async def _all_show(town: Town, token: bytes, senders: int) -> None:
    """All of them at once: each is a task that begins when all are there."""
    ready = asyncio.Event()

    async def show(number: int) -> None:
        await ready.wait()
        octets = number.to_bytes(3, "big").hex(":").upper()
        town.lock.hears_bytes(token, -50, f"C0:00:00:{octets}")

    crowd = [asyncio.ensure_future(show(number)) for number in range(senders)]
    await asyncio.sleep(0)
    ready.set()
    await asyncio.gather(*crowd)
    await town.pass_(0.1)


def crowded(effort: Effort) -> Outcome:
    """How often the door opened."""
    return asyncio.run(_crowd(effort.of(10_000, 1000)))


ATTACKS: Final = [
    Attack(
        "one token, 10,000 at once",
        "at once, when the door is armed again, and after a restart",
        crowded,
    )
]
