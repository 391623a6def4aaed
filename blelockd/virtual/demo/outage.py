"""The scene of the outage: what the daemons do when what they stand on is gone."""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.virtual.demo.enrolment import BOB
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene
from blelockd.virtual.demo.prompt import types
from blelockd.virtual.demo.visitor import visit

OUTAGE_SECONDS: Final = 1.0
RECOVERY_SECONDS: Final = 10.0


async def outage(play: Play) -> Outcome:
    """kill -9 of the broker and of two bluetoothds; then everything is as before."""
    cast = play.cast
    hosts = [cast.stage.air.hosts[name] for name in ("issuer", "lock")]
    play.act("demo", "kill -9: the broker, bluetoothd of the issuer, bluetoothd of the lock")
    cast.stage.broker.kill()
    await asyncio.gather(*(host.kill_bluetoothd() for host in hosts))
    for part in ("broker", "scan"):
        await play.told(cast.lock, "link-lost", f"the lock to miss its {part}", part=part)
    await asyncio.gather(
        types(play, "operator", "issuer", "guest", "resume", BOB), asyncio.sleep(OUTAGE_SECONDS)
    )
    play.act("demo", "starts them again, and touches nothing else")
    began = play.now()
    cast.stage.broker.start()
    await asyncio.gather(*(host.start_bluetoothd() for host in hosts))
    back = [
        await play.up(daemon, part, RECOVERY_SECONDS)
        for daemon, part in (
            (cast.lock, "broker"),
            (cast.lock, "scan"),
            (cast.issuer, "broker"),
            (cast.issuer, "beacon"),
        )
    ]
    recovered = Latency("restart to recovered", max(told.at for told in back) - began)
    latencies = await visit(play)
    await cast.backstage.aclose()
    return Outcome("all came back by itself, the door opened", (recovered, *latencies))


OUTAGE: Final = Scene(
    "The broker and Bluetooth crash",
    "The daemons notice, name it, wait, and go on by themselves. Bob is let in again meanwhile.",
    outage,
)
