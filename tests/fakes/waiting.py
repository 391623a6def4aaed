"""Patience with an end: wait for what must come to pass, and fail if it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Final

PATIENCE_SECONDS: Final = 15.0


async def until(condition: Callable[[], object], within_seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as `condition` holds; fail if it does not in time."""
    give_up = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < give_up, "what should have come to pass did not"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def running(work: Coroutine[object, object, None]) -> AsyncIterator[asyncio.Task[None]]:
    """A daemon's endless work, in a task that is cancelled at the end and must obey.

    Whatever it raises on the way comes out here.
    """
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=PATIENCE_SECONDS)
    assert task.done(), "it does not let itself be cancelled"
    if not task.cancelled():
        await task
