"""kill -9 at random moments: everything is back within ten seconds, and no door opens unearned.

A few rounds of each run with the tests. For the long play set BLELOCK_KILL_ROUNDS=20; the
recovery times are printed with `pytest -s`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from tests.stories.play import NEAR_DBM, REARM_SECONDS, Changes, Play, playing

ROUNDS: Final = int(os.environ.get("BLELOCK_KILL_ROUNDS", "2"))
RECOVERED_SECONDS: Final = 10.0

pytestmark = pytest.mark.timeout(60 + 30 * ROUNDS)

Kill = Callable[[Play], Awaitable[None]]

VICTIMS: Final[dict[str, Kill]] = {
    "mosquitto": lambda play: play.kill_broker(),
    "bluetoothd of the issuer": lambda play: play.kill_bluetoothd("issuer"),
    "bluetoothd of the lock": lambda play: play.kill_bluetoothd("lock"),
    "bluetoothd of the guest": lambda play: play.kill_bluetoothd("guest"),
    "issuer": lambda play: play.kill(play.issuer),
    "lock": lambda play: play.kill(play.lock),
    "guest": lambda play: play.kill(play.guest),
}

SHORT_SESSIONS: Final[Changes] = {
    "issuer": {"session": {"lifetime_seconds": 30}},
    "guest": {"renew_before_seconds": 15, "retry": {"first_seconds": 0.5, "longest_seconds": 2}},
}
"""So that renewals are in the air and on the broker when the blow falls."""


@pytest.mark.parametrize("victim", VICTIMS)
async def test_killed_at_a_random_moment_it_is_back_in_time(victim: str) -> None:
    chance = random.Random(victim)  # the moments are random, and the same in every run
    async with playing(SHORT_SESSIONS) as play:
        await play.opens(20)
        recovered = [await _round(play, VICTIMS[victim], chance) for _ in range(ROUNDS)]
    sys.stdout.write(f"\n{victim}: {ROUNDS} rounds, recovered in {_summary(recovered)}\n")


async def _round(play: Play, kill: Kill, chance: random.Random) -> float:
    """One blow while the guest is away; the seconds from there until the door has opened and
    every part of every daemon is up again.
    """
    play.walk_away()
    await play.stays_shut(REARM_SECONDS + chance.uniform(0.2, 4.0))
    since = len(play.lock.events)
    began = asyncio.get_running_loop().time()
    play.walk_up()
    try:
        async with asyncio.timeout(RECOVERED_SECONDS):
            _, unlock = await asyncio.gather(kill(play), play.opens(since=since))
            await play.everything_up()
    except TimeoutError:
        pytest.fail(f"not back within {RECOVERED_SECONDS:.0f} s: {play.last_words()}")
    assert unlock.fields["rssi_dbm"] == NEAR_DBM
    return asyncio.get_running_loop().time() - began


def _summary(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    middle = ordered[len(ordered) // 2]
    return f"{ordered[0]:.1f} to {ordered[-1]:.1f} s, median {middle:.1f} s"
