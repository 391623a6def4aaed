"""From the configuration's advertisement to what is on the air, and the proof that it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from blelockd.adapters.bluez.broadcaster import Advertisement, LeBroadcaster
from blelockd.adapters.bluez.controller import Controller
from blelockd.config import BeaconConfig, TokenAdvertConfig
from blelockd.roles.radio import Alive, alongside


def advertisement(config: BeaconConfig | TokenAdvertConfig) -> Advertisement:
    """The advertisement that `config` describes."""
    return Advertisement(
        company_id=config.company_id,
        name=config.name,
        service_uuids=config.service_uuids,
        appearance=config.appearance,
        min_interval_ms=config.min_interval_ms,
        max_interval_ms=config.max_interval_ms,
    )


@asynccontextmanager
async def broadcasting(
    controller: Controller,
    broadcaster: LeBroadcaster,
    work: Coroutine[object, object, None],
    is_on_air: Callable[[], bool],
) -> AsyncIterator[Alive]:
    """`work` drives the broadcaster while the context lasts; with the proof that it still does."""
    async with alongside(work) as task:

        async def alive() -> None:
            if task.done():
                task.result()
            if is_on_air():
                await broadcaster.alive()
            else:
                controller.require_ready()
                await controller.bus.ping()

        yield alive
