"""Written values on their way to the handler: in order for each device, bounded in every way.

Taking a value never waits, so that BlueZ has its reply at once; what does not fit is refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from blelockd.services.ports import CharacteristicWrite, WriteHandler

MOST_DEVICES: Final = 64
"""More than an adapter links: the answer to who has gone holds its place for some 50 ms more."""
MOST_WAITING_PER_DEVICE: Final = 64
HANDLER_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class WriteQueues:
    """One queue for each device with values to handle, each worked off by one task."""

    def __init__(self, handler: WriteHandler) -> None:
        self._handler = handler
        self._queues: dict[str, deque[CharacteristicWrite]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    def put(self, write: CharacteristicWrite) -> bool:
        """Whether there was room for it."""
        queue = self._queues.get(write.device)
        if queue is not None:
            if len(queue) >= MOST_WAITING_PER_DEVICE:
                return False
            queue.append(write)
            return True
        if len(self._queues) >= MOST_DEVICES:
            return False
        self._queues[write.device] = deque((write,))
        worker = asyncio.create_task(self._work(write.device))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)
        return True

    async def close(self) -> None:
        """Give up what is not handled."""
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._queues.clear()

    async def _work(self, device: str) -> None:
        queue = self._queues[device]
        try:
            while queue:
                await self._handle(queue.popleft())
        finally:
            del self._queues[device]

    async def _handle(self, write: CharacteristicWrite) -> None:
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                await self._handler(write)
        except Exception:  # noqa: BLE001 - a fault of ours ends this one write, not the service
            _log.exception("a written value of %d bytes was not handled", len(write.value))
