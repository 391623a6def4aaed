"""Keeping a role on the air: set up, watch, take down, and set up anew after every loss.

bluetoothd may restart, the adapter may go and come back: each is told with its cause, and mended
without a restart of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.errors import RadioDown
from blelockd.services.backoff import Backoff
from blelockd.services.liveness import Part
from blelockd.services.ports import Clock

_HEALTH_SECONDS: Final = 2.0
_FIRST_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 5.0

Alive = Callable[[], Awaitable[None]]
"""Returns while what was set up still works; raises RadioDown with the cause when it does not."""

Use = Callable[[Controller], AbstractAsyncContextManager[Alive]]
"""What a role does with a ready adapter: entering sets it up, leaving takes it down."""


@asynccontextmanager
async def alongside(work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """`work` as a task that ends with the context. Its errors are for whoever asks the task."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # asked for here at the latest: an Alive has told it, or will not


class RadioKeeper:
    """Runs one `Use` of one adapter for the life of the daemon, and reports to `part`."""

    def __init__(self, adapter: str, part: Part, clock: Clock) -> None:
        self._adapter = adapter
        self._part = part
        self._clock = clock
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)

    async def run(self, use: Use) -> None:
        """Keep `use` going until cancelled."""
        while True:
            try:
                await self._on_one_bus(use)
            except RadioDown as down:
                self._part.down(str(down))
            await self._clock.sleep(self._backoff.next_seconds())

    async def _on_one_bus(self, use: Use) -> None:
        """Use the adapter through one connection to the bus, until it raises RadioDown."""
        bus = await Bus.connect()
        controller = Controller(bus, self._adapter)
        try:
            await controller.start()
            await controller.wait_ready(lambda down: self._part.down(str(down)))
            epoch = controller.epoch
            async with use(controller) as alive:
                self._backoff.reset()
                await self._watch(controller, epoch, alive)
        finally:
            await controller.close()
            await bus.close()

    async def _watch(self, controller: Controller, epoch: int, alive: Alive) -> None:
        """Report life until it is lost: at once when BlueZ says so, else at the next check."""
        lost = asyncio.ensure_future(controller.wait_lost(epoch))
        try:
            while True:
                await alive()
                self._part.up(f"on {self._adapter}")
                await asyncio.wait({lost}, timeout=_HEALTH_SECONDS)
                if lost.done():
                    raise lost.result()
        finally:
            lost.cancel()
