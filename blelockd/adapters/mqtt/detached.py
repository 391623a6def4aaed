"""Blocking work that can be abandoned: its thread ends when it will, and nobody waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], discard: Callable[[T], None]) -> T:
    """The result of blocking `work`; handed to `discard` if nobody waits for it any more.

    A daemon thread, not the loop's executor: a DNS look-up that hangs must not delay our end.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: Exception | None) -> None:
        if not result.done():
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(value)  # type: ignore[arg-type]
        elif value is not None:
            discard(value)

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except Exception as caught:  # noqa: BLE001 - it goes to whoever waits
            error = caught
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:  # the loop is closed: the process is ending
            if value is not None:
                discard(value)

    threading.Thread(target=run, name="mqtt-connect", daemon=True).start()
    return await result
