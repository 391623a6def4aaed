"""What a unit's daemon has told the journal since it was started, as `journalctl` has it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blelockd.adapters.journal.record import LARGEST_MESSAGE_BYTES, clean
from blelockd.adapters.unit.asking import lines_of
from blelockd.adapters.unit.status import UnitStatus
from blelockd.services.events import EventKind

MOST_EVENTS: Final = 10_000
"""Of a unit's events only the last so many are looked at."""

_US_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event as the journal keeps it; `at_seconds` is Unix time."""

    kind: EventKind
    message: str
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Deeds:
    """How often each kind of event happened, and the last of each.

    `whole` says that the journal goes back to the start of the daemon: else these are the least.
    """

    counts: Mapping[EventKind, int]
    last: Mapping[EventKind, ToldEvent]
    whole: bool


async def deeds_of(unit: UnitStatus, kinds: Collection[EventKind]) -> Deeds:
    """What of `kinds` has happened since the unit was started; raises NoSystemd."""
    told = await _told_by(unit, {EventKind.STARTED, *kinds}) if unit.invocation else []
    counts = Counter(event.kind for event in told)
    whole = counts.pop(EventKind.STARTED, 0) > 0
    last = {event.kind: event for event in told if event.kind in kinds}
    return Deeds({kind: counts[kind] for kind in kinds}, last, whole)


async def _told_by(unit: UnitStatus, kinds: Collection[EventKind]) -> list[ToldEvent]:
    """Those events of the unit's last run, oldest first."""
    lines = await lines_of(
        "journalctl",
        "--quiet",
        "--no-pager",
        "--output=json",
        "--output-fields=BLELOCK_EVENT,MESSAGE",
        f"--lines={MOST_EVENTS}",
        f"_SYSTEMD_INVOCATION_ID={unit.invocation}",
        *sorted(f"BLELOCK_EVENT={kind}" for kind in kinds),
    )
    return list(_events(lines, {str(kind) for kind in kinds}))


def _events(lines: Iterable[str], kinds: Collection[str]) -> Iterable[ToldEvent]:
    for line in lines:
        try:
            entry: dict[str, Any] = json.loads(line)
            kind, at_us = entry["BLELOCK_EVENT"], int(entry["__REALTIME_TIMESTAMP"])
        except (ValueError, KeyError, TypeError):
            continue  # not an entry of ours, whoever wrote it
        if isinstance(kind, str) and kind in kinds:
            message = clean(entry.get("MESSAGE", ""), LARGEST_MESSAGE_BYTES)
            yield ToldEvent(EventKind(kind), message, at_us / _US_PER_SECOND)
