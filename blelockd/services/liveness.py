"""Is this daemon truly working? The watchdog is fed only while every part has lately said so.

A part is up, or down for a named cause on which somebody is working. Both are healthy: an absent
broker is no reason to restart the lock. A part that says nothing any more is not.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.ports import Clock, Journal


class PartState(StrEnum):
    """What a part last said of itself."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


class Part:
    """One thing the daemon depends on, such as `scan` or `broker`.

    It must report more often than every `silent_after_seconds`.
    """

    def __init__(self, liveness: Liveness, name: str, silent_after_seconds: float) -> None:
        self._liveness = liveness
        self.name = name
        self.silent_after_seconds = silent_after_seconds
        self.state = PartState.STARTING
        self.detail = ""
        self.was_up = False
        """Whether it has worked before its present state."""
        self.reported_seconds = liveness.clock.monotonic_seconds()

    def up(self, detail: str) -> None:
        """It works; `detail` says how."""
        self._report(PartState.UP, detail)

    def down(self, cause: str) -> None:
        """It does not work for the named cause, and is being seen to."""
        self._report(PartState.DOWN, cause)

    def repeat(self) -> None:
        """What it said last still holds."""
        self._report(self.state, self.detail)

    def _report(self, state: PartState, detail: str) -> None:
        self.reported_seconds = self._liveness.clock.monotonic_seconds()
        if (state, detail) != (self.state, self.detail):
            before, self.state, self.detail = self.state, state, detail
            self._liveness.changed(self, before)
            self.was_up = self.was_up or state is PartState.UP

    def __str__(self) -> str:
        return (
            f"{self.name} {self.state}: {self.detail}"
            if self.detail
            else f"{self.name} {self.state}"
        )


class Liveness:
    """All parts of one daemon; tells the journal when each is first up, lost and back, and
    `on_status` the line for `systemctl status`.
    """

    def __init__(self, journal: Journal, clock: Clock, on_status: Callable[[str], None]) -> None:
        self._journal = journal
        self.clock = clock
        self._on_status = on_status
        self._parts: list[Part] = []
        self.losses = 0
        """How often any part went down."""

    def part(self, name: str, silent_after_seconds: float = 20.0) -> Part:
        """A new part, which starts as neither up nor down."""
        part = Part(self, name, silent_after_seconds)
        self._parts.append(part)
        return part

    def silent(self) -> list[str]:
        """Names of the parts that have not reported in time; empty when healthy."""
        now = self.clock.monotonic_seconds()
        return [
            part.name
            for part in self._parts
            if now - part.reported_seconds > part.silent_after_seconds
        ]

    def settled(self) -> bool:
        """Whether every part has said what it is."""
        return all(part.state is not PartState.STARTING for part in self._parts)

    def status(self) -> str:
        """One line on all parts."""
        return "; ".join(str(part) for part in self._parts)

    def changed(self, part: Part, before: PartState) -> None:
        """Called by a part whose state or detail is new."""
        self._on_status(self.status())
        fields = {"part": part.name, "detail": part.detail}
        if part.state is PartState.DOWN:
            self.losses += 1
            event = Event(
                EventKind.LINK_LOST, f"{part.name}: {part.detail}", Severity.WARNING, fields
            )
        elif before is not PartState.UP:
            kind = EventKind.LINK_REGAINED if part.was_up else EventKind.LINK_UP
            event = Event(kind, f"{part.name}: {part.detail}", fields=fields)
        else:
            return
        self._journal.record(event)
