"""One performance from the first signal handler to the last process: it ends in order, always."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Final

from blelockd.virtual.demo import EXIT_CANNOT_START, EXIT_OK, EXIT_STUMBLED
from blelockd.virtual.demo.cast import CannotStart, Changes
from blelockd.virtual.demo.encore import stay
from blelockd.virtual.demo.narrator import Narrator
from blelockd.virtual.demo.performance import perform
from blelockd.virtual.demo.play import Play

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Evening:
    """One performance, ended in order by a signal, or when nobody reads any more."""

    def __init__(
        self,
        narrator: Narrator,
        *,
        keep: bool = False,
        is_passive: bool = False,
        changes: Changes | None = None,
    ) -> None:
        self._narrator = narrator
        self._keep = keep
        self._is_passive = is_passive
        self._changes = changes
        self._leave = asyncio.Event()
        self._is_staying = False
        self._ended_by: signal.Signals | None = None
        self._task: asyncio.Task[object] | None = None

    async def run(self) -> int:
        """Perform; returns the exit status."""
        loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._end, number)
        self._narrator.on_nobody = lambda: self._end(signal.SIGPIPE)
        try:
            return await self._perform()
        except asyncio.CancelledError:
            if self._ended_by is None:
                raise
            return 128 + self._ended_by
        except CannotStart as error:
            print(f"blelock: the demo cannot start: {error}", file=sys.stderr)
            return EXIT_CANNOT_START
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    async def _perform(self) -> int:
        encore = self._stay if self._keep else None
        performance = await perform(
            self._narrator, changes=self._changes, is_passive=self._is_passive, encore=encore
        )
        return EXIT_OK if performance.is_good else EXIT_STUMBLED

    async def _stay(self, play: Play) -> None:
        self._is_staying = True
        await stay(play, self._leave)

    def _end(self, number: signal.Signals) -> None:
        if self._ended_by is not None:
            return  # a second signal must not interrupt the cleaning up
        self._ended_by = number
        self._narrator.say(f"{number.name}: cleaning up")
        self._narrator.is_quiet = True
        if self._is_staying:
            self._leave.set()
        elif self._task is not None:
            self._task.cancel()


async def evening(*, keep: bool, is_passive: bool) -> int:
    """Perform on standard output; returns the exit status."""
    return await Evening(Narrator(sys.stdout), keep=keep, is_passive=is_passive).run()
