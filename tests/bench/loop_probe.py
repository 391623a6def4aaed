"""How long the event loop was blocked: a task that takes every turn and remembers the longest.

By the clock a turn is as long as it is, whoever had the cores meanwhile. Its work is what the
loop's own thread computed in it: a block of ours shows in both, a neighbour's in the first alone.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

LONG_SECONDS: Final = 0.001


class LoopProbe:
    """Turns of the loop while `watching()`, and the garbage collector's pauses in them."""

    def __init__(self) -> None:
        self.turns = 0
        self.long_turns = 0
        """Turns with more than LONG_SECONDS of work."""
        self.longest_seconds = 0.0
        self.longest_work_seconds = 0.0
        self.longest_collection_seconds = 0.0
        self._collection_begun = 0.0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[LoopProbe]:
        """Take every turn of the loop meanwhile."""
        gc.callbacks.append(self._on_collection)
        task = asyncio.create_task(self._take_turns())
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})
            gc.callbacks.remove(self._on_collection)

    async def _take_turns(self) -> None:
        begun, worked = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            begun_next, worked_next = time.perf_counter(), time.thread_time()
            work = worked_next - worked
            self.turns += 1
            self.long_turns += work > LONG_SECONDS
            self.longest_seconds = max(self.longest_seconds, begun_next - begun)
            self.longest_work_seconds = max(self.longest_work_seconds, work)
            begun, worked = begun_next, worked_next

    def _on_collection(self, phase: str, _info: Mapping[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._collection_begun = now
        else:
            took = now - self._collection_begun
            self.longest_collection_seconds = max(self.longest_collection_seconds, took)
