"""Who sends loudly under a guest's address, next to an actively scanning lock.

BlueZ keeps one signal strength for an address, and tells it with the payload it has: the guest's.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from blelockd.adapters.signal_feed import watching
from blelockd.config import LockConfig
from blelockd.services.lock.signals import OPEN, Signal
from tests.fakes.waiting import running
from tests.stories.whole_house import WholeHouse, whole_house

pytestmark = pytest.mark.timeout(180)

FAR_DBM, LOUD_DBM = -88, -30
FLAGS = b"\x02\x01\x06"
SLOTS = 6


@asynccontextmanager
async def a_far_guest(slots_heard: int) -> AsyncIterator[tuple[WholeHouse, str]]:
    """Heard, and refused for its distance; the house, and the guest's address."""
    lock = {
        "scan": {"mode": "active"},
        "nearness": {"path_loss_max_db": 14, "slots_heard": slots_heard},
        "rssi_threshold_dbm": -100,
    }
    async with whole_house({"lock": lock}) as house:
        await house.enrol()
        house.stage.air.set_rssi("guest", "lock", FAR_DBM)
        await house.guest.start()
        refused = await house.lock.told("refusal", reason="not-near")
        yield house, refused.fields["address"]


async def shout(house: WholeHouse, address: str) -> None:
    """Without end: no token, nothing but the address."""
    while True:
        house.stage.air.inject(address, FLAGS, LOUD_DBM, to="lock")
        await asyncio.sleep(0.05)


async def test_where_one_advert_is_enough_the_guest_sounds_near() -> None:
    """The weakness itself, as docs/threat-model.md tells it: else the other test shows nothing."""
    async with a_far_guest(1) as (house, address), running(shout(house, address)):
        unlock = await house.unlocks()
        assert unlock.fields["rssi_dbm"] == LOUD_DBM


async def test_where_several_count_the_guests_own_adverts_give_it_away() -> None:
    async with a_far_guest(2) as (house, address):
        config = LockConfig.load(house.lock.config)
        state = config.state_directory / str(config.lock_id)
        async with watching(state) as signals, running(shout(house, address)):
            heard: dict[int, set[int]] = defaultdict(set)
            while sum(each >= {FAR_DBM, LOUD_DBM} for each in heard.values()) < SLOTS:
                signal: Signal = await anext(signals)
                assert signal.said != OPEN
                heard[signal.slot].add(signal.rssi_dbm)
        assert not [told for told in house.lock.events if told.kind == "unlock"]
