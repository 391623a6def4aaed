"""The life that the three daemons share: start, READY, watchdog, reload, stop.

What a role does is its own; it comes here as a `Work`: tasks to run, and what to do on reload.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from blelockd import __version__
from blelockd.adapters.clock import SystemClock
from blelockd.adapters.journal import LibraryLog, Sink
from blelockd.adapters.systemd import Notifier
from blelockd.config import JournalConfig
from blelockd.roles import memory
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.liveness import Liveness
from blelockd.services.tally import Tally

EXIT_OK: Final = 0
EXIT_SOFTWARE: Final = 70  # sysexits.h

_SUMMARY_SECONDS: Final = 60.0
_SETTLING_SECONDS: Final = 15.0
_SETTLING_POLL_SECONDS: Final = 0.01
_HEALTH_SECONDS: Final = 2.0
_TIDY_SECONDS: Final = 60.0

_COMPAT_V1_WARNING: Final = (
    "protocol v1 is on (compat_v1: true): whoever comes near the issuer gets a key; for trials only"
)


Task = tuple[str, Callable[[], Coroutine[object, object, None]]]
"""An endless task by its name."""


@dataclass(frozen=True, slots=True)
class Work:
    """A role, ready to run: its tasks, and its reaction to SIGHUP.

    `reload` reads the configuration anew and returns a sentence for the journal, or raises
    ReloadRefused with all that is wrong; then the configuration in force stays.
    """

    tasks: Sequence[Task]
    reload: Callable[[], str]


class ReloadRefused(Exception):
    """The new configuration cannot be used; the old one stays in force."""


class Daemon:
    """One daemon's surroundings: clock, journal, tally, liveness, systemd."""

    def __init__(self, name: str, journal: Sink) -> None:
        self.name = name
        self.journal = journal
        self.clock = SystemClock()
        self.notifier = Notifier()
        self.tally = Tally(journal, self.clock, _SUMMARY_SECONDS)
        self.liveness = Liveness(journal, self.clock, self.notifier.status)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    def heed(self, config: JournalConfig) -> None:
        """Tell as much as `config` says, from now on."""
        self.journal.level = config.level
        self.tally.interval_seconds = config.summary_seconds

    async def run(self, work: Work, *, compat_v1: bool) -> int:
        """Work until SIGTERM or SIGINT; returns the exit status. `compat_v1` is told aloud."""
        self._record(EventKind.STARTED, f"{self.name} {__version__} started")
        if compat_v1:
            self._record(EventKind.COMPAT_V1, _COMPAT_V1_WARNING, Severity.WARNING)
        status = EXIT_OK
        libraries = LibraryLog(self.journal, self.clock)
        libraries.install()
        try:
            async with self._signals(), asyncio.TaskGroup() as group:
                for name, task in work.tasks:
                    group.create_task(task(), name=name)
                group.create_task(self.tally.run(), name="tally")
                group.create_task(self._tell_when_ready(), name="ready")
                group.create_task(self._feed_watchdog(), name="watchdog")
                group.create_task(self._keep_tidy(), name="memory")
                group.create_task(self._reload_on_request(work.reload), name="reload")
                group.create_task(self._stop_on_request(), name="stop")
        except* _Stopped:
            pass  # as asked
        except* Exception as faults:  # noqa: BLE001 - told, then left to systemd
            status = EXIT_SOFTWARE
            for fault in _leaves(faults):
                self._record(
                    EventKind.FAULT, f"stopped by {type(fault).__name__}: {fault}", Severity.ERROR
                )
        finally:
            libraries.uninstall()
            self.notifier.close()
        return status

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGINT, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    async def _stop_on_request(self) -> None:
        await self._stop.wait()
        self.notifier.stopping()
        self._record(EventKind.STOPPING, f"{self.name} stops as asked")
        raise _Stopped

    async def _tell_when_ready(self) -> None:
        """READY once every part has said what it is: a named outage is an answer, too."""
        give_up = self.clock.monotonic_seconds() + _SETTLING_SECONDS
        while not self.liveness.settled() and self.clock.monotonic_seconds() < give_up:
            await self.clock.sleep(_SETTLING_POLL_SECONDS)
        memory.settle()
        self.notifier.ready(self.liveness.status())

    async def _feed_watchdog(self) -> None:
        period = min((self.notifier.watchdog_seconds() or 6.0) / 3, _HEALTH_SECONDS)
        was_silent: list[str] = []
        while True:
            silent = self.liveness.silent()
            if not silent:
                self.notifier.watchdog()
            elif silent != was_silent:
                self._record(
                    EventKind.FAULT,
                    f"no sign of life from {', '.join(silent)}: the watchdog is not fed",
                    Severity.ERROR,
                )
            was_silent = silent
            await self.clock.sleep(period)

    async def _keep_tidy(self) -> None:
        """What is left of a lost link is the only garbage that the collector does not get."""
        with memory.short_pauses():
            losses = self.liveness.losses
            while True:
                await self.clock.sleep(_TIDY_SECONDS)
                if losses != self.liveness.losses:
                    losses = self.liveness.losses
                    memory.settle()

    async def _reload_on_request(self, reload: Callable[[], str]) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self.notifier.reloading()
            try:
                self._record(EventKind.RELOADED, reload(), Severity.NOTICE)
            except ReloadRefused as refusal:
                self._record(
                    EventKind.RELOAD_REFUSED,
                    f"the configuration in force stays: {refusal}",
                    Severity.ERROR,
                )
            self.notifier.ready(self.liveness.status())

    def _record(self, kind: EventKind, message: str, severity: Severity = Severity.INFO) -> None:
        self.journal.record(Event(kind, message, severity, {"role": self.name}))


class _Stopped(Exception):
    """No error: how the task group is told to end."""


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for member in group.exceptions:
        found.extend(_leaves(member) if isinstance(member, BaseExceptionGroup) else [member])
    return found
