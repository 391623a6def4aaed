"""Waiting for a while, or for something to happen, whichever comes first."""

from __future__ import annotations

import asyncio

from blelockd.services.ports import Clock


async def pause(clock: Clock, seconds: float, *until: asyncio.Event) -> None:
    """Return after `seconds`, or as soon as one of `until` is set."""
    waits = [asyncio.ensure_future(clock.sleep(seconds))]
    waits += [asyncio.ensure_future(_happens(event)) for event in until]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _happens(event: asyncio.Event) -> None:
    await event.wait()
