"""Threads that are none: what is sent to one is done at once, so that fake time waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class InlineThreads(ThreadPoolExecutor):
    """An executor that works where it is called."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Do it, and say how it ended."""
        done: Future[Result] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits it
            done.set_exception(error)
        return done


def use_inline_threads() -> None:
    """Let asyncio.to_thread() of the running loop work at once."""
    asyncio.get_running_loop().set_default_executor(InlineThreads(max_workers=1))
