"""A flood of junk at the broker, on the topics of lock and issuer, and an honest guest.

Real issuer, lock and mosquitto. Junk is noise, and by turns noise behind the right beginning.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Final

from blelockd.adapters.mqtt import topics
from blelockd.protocol.ids import LockId
from blelockd.virtual.stage import LOCK_ID, DaemonProcess
from tests.bench.figures import Effort, Findings, Table, Target, Tell
from tests.fakes.stranger import Stranger, stranger
from tests.fakes.waiting import until
from tests.floods.honest import MANY, HonestGuest
from tests.floods.watch import COLUMNS, Flooded, Watch
from tests.stories.whole_house import WholeHouse, whole_house

MESSAGES_PER_SECOND: Final = 1_000
MESSAGE_BYTES: Final = 4096
SERVED_WITHIN_SECONDS: Final = 5.0

_HEAD_BYTES: Final = 36
_AT_ONCE: Final = 50
_QUIET: Final = {"summary_seconds": 60}


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    changes = {"issuer": {"limits": MANY, "journal": _QUIET}, "lock": {"journal": _QUIET}}
    floods: list[Flooded] = []
    targets: list[Target] = []
    lock_id = LockId(LOCK_ID)
    async with whole_house(changes) as house:
        tell("a guest enrols")
        await house.enrol()
        guest = HonestGuest(house)
        for daemon, topic in (
            (house.lock, topics.down(lock_id)),
            (house.issuer, topics.up(lock_id)),
        ):
            tell(f"junk for the {daemon.role}")
            await _flood(house, guest, daemon, topic, effort, floods, targets)
    rows = tuple(each.row() for each in floods)
    notes = [f"Log lines of {each.what}: {each.watch.told()}." for each in floods]
    notes.append("A guest is served when it has a session and the door has opened.")
    return Findings(
        (Table("junk", "junk at the broker", COLUMNS, rows),), tuple(targets), tuple(notes)
    )


async def _flood(
    house: WholeHouse,
    guest: HonestGuest,
    daemon: DaemonProcess,
    topic: str,
    effort: Effort,
    floods: list[Flooded],
    targets: list[Target],
) -> None:
    seconds, rate = effort.pick(60.0, 2.0), effort.pick(MESSAGES_PER_SECOND, 50)
    broker = house.stage.broker
    async with stranger(broker.host, broker.port, "eavesdropper") as ear:
        await ear.subscribe(topic)
        await guest.away()
        await guest.opens()
        await until(lambda: ear.heard)
        head = ear.heard[0].payload[:_HEAD_BYTES]
    async with stranger(broker.host, broker.port, "flooder") as flooder:
        await _publish(flooder, topic, head, rate, effort.pick(5.0, 0.5))
        watch = Watch(daemon)
        watch.begin()
        began = time.monotonic()
        async with guest.coming(guest.opens) as served:
            sent = await _publish(flooder, topic, head, rate, seconds)
        took = time.monotonic() - began
        watch.end()
    flooded = Flooded(f"junk for the {daemon.role}", rate, sent, took, served, watch)
    floods.append(flooded)
    targets += flooded.targets(most_seconds=SERVED_WITHIN_SECONDS, share=1.0, came=guest.asked)


async def _publish(
    flooder: Stranger, topic: str, head: bytes, per_second: float, seconds: float
) -> int:
    """How many were published at QoS 1; each batch is acknowledged before the next."""
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = min(int(elapsed * per_second) - sent, _AT_ONCE)
        if due > 0:
            await asyncio.gather(*(flooder.publish(topic, each) for each in _junk(head, due)))
            sent += due
        else:
            await asyncio.sleep(0.002)
    return sent


def _junk(head: bytes, count: int) -> Sequence[bytes]:
    noise = os.urandom(MESSAGE_BYTES)
    return [noise if number % 2 else head + noise[len(head) :] for number in range(count)]
