"""What a lock hears, for `blelock-lock calibrate`: told by the daemon, or by a scan of its own.

The daemon alone knows whose tokens it hears, as sessions live in its memory: it is asked. Beside it
a second program may scan, as BlueZ gives each what it asked for; that knows addresses only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from blelockd.adapters.bluez.observer import Observer, ScanMode
from blelockd.adapters.clock import SystemClock
from blelockd.adapters.signal_feed import watching
from blelockd.config import LockConfig
from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.roles.unlock import Tell, ready_adapter
from blelockd.services.lock.signals import Signal
from blelockd.services.ports import Sighting

_SLOT_MS: Final = 3000
_ALIVE_SECONDS: Final = 2.0
_MOST_WAITING: Final = 1000


@asynccontextmanager
async def known_tokens(config: LockConfig) -> AsyncIterator[AsyncIterator[Signal]]:
    """The tokens that the running daemon knows. Raises NoFeed."""
    async with watching(config.own_directory) as signals:
        yield signals


@asynccontextmanager
async def one_address(
    config: LockConfig, address: BluetoothAddress, tell: Tell
) -> AsyncIterator[AsyncIterator[Signal]]:
    """Whatever is sent from that address. Raises RadioDown, LinkDown."""
    waiting: asyncio.Queue[Signal] = asyncio.Queue(_MOST_WAITING)
    clock = SystemClock()

    def heard(sighting: Sighting) -> None:
        if sighting.address == str(address) and sighting.rssi_dbm is not None:
            slot = int(clock.monotonic_seconds() * MS_PER_SECOND) // _SLOT_MS
            if not waiting.full():
                waiting.put_nowait(Signal(str(address), sighting.rssi_dbm, None, "", slot, ""))

    async with (
        ready_adapter(config.adapter, tell) as controller,
        Observer(controller, ScanMode.ACTIVE, None, heard) as observer,
    ):
        yield _scanned(waiting, observer)


async def _scanned(waiting: asyncio.Queue[Signal], observer: Observer) -> AsyncIterator[Signal]:
    while True:
        try:
            async with asyncio.timeout(_ALIVE_SECONDS):
                signal = await waiting.get()
        except TimeoutError:
            await observer.alive()
        else:
            yield signal
