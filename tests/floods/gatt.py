"""A flood of GATT connections that bring garbage, and an honest guest who wants a session.

The real blelock-issuer, which counts its operations with RSA keys; a real lock and broker.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from blelockd.adapters.bluez.gatt_endpoints import V2_ENDPOINT
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.v2.headers import MessageType, RequestHeader
from blelockd.protocol.v2.info import Info
from blelockd.virtual.att import AttError
from blelockd.virtual.link import LinkLostError
from blelockd.virtual.phantom import Phantom, PhantomLink
from tests.bench.figures import Effort, Findings, Table, Target, Tell
from tests.checkout import ROOT
from tests.floods import counting_issuer
from tests.floods.honest import MANY, HonestGuest
from tests.floods.watch import COLUMNS, Flooded, Watch
from tests.stories.whole_house import WholeHouse, whole_house

CONNECTIONS: Final = 10_000
SERVED_WITHIN_SECONDS: Final = 5.0

_AT_ONCE: Final = 16
_ANSWER_SECONDS: Final = 0.2
_AUDIT: Final = "blelock/audit-head"

_NOTES: Final = (
    "Garbage: noise, pieces without an end, whole messages of noise, and requests with a challenge "
    "that was read, but nothing under the seal, a quarter each.",
    "The audit's head is signed once a minute whatever happens: those signatures are not counted.",
)


class _CountingHouse(WholeHouse):
    """A house whose issuer counts what it does with RSA keys."""

    def words(self, role: str) -> Sequence[str]:
        """The issuer is started in a Python that counts."""
        return (sys.executable, "-m", counting_issuer.__name__) if role == "issuer" else ()

    @property
    def counts(self) -> Path:
        """Where it counts."""
        return self.stage.directory / "rsa-counts"

    def environment(self, role: str) -> dict[str, str]:
        """What a daemon of that role is started with."""
        more = {counting_issuer.COUNTS: str(self.counts), "PYTHONPATH": str(ROOT)}
        return more if role == "issuer" else {}

    def rsa(self) -> Counter[str]:
        """How often, so far, by what for."""
        return Counter(self.counts.read_text().split())


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    connections = effort.pick(CONNECTIONS, 40)
    changes = {"issuer": {"limits": MANY, "journal": {"summary_seconds": 60}}}
    async with whole_house(changes, _CountingHouse) as house:
        assert isinstance(house, _CountingHouse)
        tell("a guest enrols")
        await house.enrol()
        guest = HonestGuest(house)
        tell("a rehearsal: what is made once is made")
        await guest.session()
        await _flood(house, effort.pick(500, 8))
        tell(f"{connections:,} connections of garbage, nobody else")
        before = house.rsa()
        await _flood(house, connections // 10)
        in_vain = house.rsa() - before
        watch = Watch(house.issuer)
        watch.begin()
        tell(f"{connections:,} connections of garbage, and an honest guest")
        began = time.monotonic()
        async with guest.coming(guest.session) as served:
            await _flood(house, connections)
        took = time.monotonic() - began
        watch.end()
    flooded = Flooded("GATT garbage", 0, connections, took, served, watch)
    del in_vain[_AUDIT]
    return Findings(
        (Table("gatt", "connections of garbage", COLUMNS, (flooded.row(),)),),
        (
            Target("RSA operations that garbage alone has cost", in_vain.total(), at_most=0),
            *flooded.targets(most_seconds=SERVED_WITHIN_SECONDS, share=1.0, came=guest.asked),
        ),
        (*_NOTES, f"Log lines that were not about the guest: {watch.told()}."),
    )


async def _flood(house: WholeHouse, connections: int) -> None:
    """So many connections, each under an address of its own, a few at a time."""
    numbers = iter(range(connections))

    async def stranger(name: str) -> None:
        chance = random.Random(name)
        async with house.stage.air.phantom(name) as phantom:
            for number in numbers:
                high, low = divmod(number, 256)
                phantom.move_to(f"D1:00:00:{high >> 8:02X}:{high & 255:02X}:{low:02X}")
                await _bring_garbage(phantom, house.hosts["issuer"].address(), chance)

    async with asyncio.TaskGroup() as group:
        for number in range(min(_AT_ONCE, connections)):
            group.create_task(stranger(f"stranger{number}"))


async def _bring_garbage(phantom: Phantom, issuer: str, chance: random.Random) -> None:
    try:
        link = await phantom.connect(issuer)
        try:
            await link.discover()
            await chance.choice(_GARBAGE)(link, chance)
        finally:
            link.close()
    except (AttError, LinkLostError, TimeoutError):
        return  # sent away, which is fine


async def _noise(link: PhantomLink, chance: random.Random) -> None:
    await link.write(V2_ENDPOINT.write_uuid, os.urandom(chance.randrange(1, 500)))


async def _no_end(link: PhantomLink, chance: random.Random) -> None:
    first, *_ = frames(os.urandom(1000), 200)
    await link.write(V2_ENDPOINT.write_uuid, first)


async def _whole_noise(link: PhantomLink, chance: random.Random) -> None:
    for frame in frames(os.urandom(chance.randrange(1, 1025)), 500):
        await link.write(V2_ENDPOINT.write_uuid, frame)


async def _nothing_under_the_seal(link: PhantomLink, chance: random.Random) -> None:
    info = Info.decode(await link.read(V2_ENDPOINT.read_uuid))
    kind = chance.choice([MessageType.REQ, MessageType.ENROLL])
    message = RequestHeader.to(info, kind).encode() + os.urandom(chance.randrange(100, 500))
    answered = asyncio.Event()
    await link.subscribe(V2_ENDPOINT.notify_uuid, lambda _: answered.set())
    for frame in frames(message, 500):
        await link.write(V2_ENDPOINT.write_uuid, frame)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await answered.wait()
    except TimeoutError:
        return


_GARBAGE: Final = (_noise, _no_end, _whole_noise, _nothing_under_the_seal)
