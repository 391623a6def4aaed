"""How an event reads as a line: for a terminal, for a service manager, for a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from blelockd.adapters.journal.record import LARGEST_MESSAGE_BYTES, clean, fields_of
from blelockd.protocol.instants import Instant
from blelockd.services.events import Event, EventKind, Severity

Shape = Callable[[Event, Instant], str]
"""One line, without its end, for an event at a time."""

LARGEST_LINE_BYTES: Final = 4095  # PIPE_BUF, less the line's end

_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_BY_SEVERITY: Final = {
    Severity.ERROR: "\x1b[1;31m",
    Severity.WARNING: "\x1b[33m",
    Severity.NOTICE: "\x1b[1m",
    Severity.DEBUG: _DIM,
}
_UNLOCKED: Final = "\x1b[1;32m"

_MAY_BE_SAID_ALREADY: Final = frozenset({"part", "detail", "role"})


def prefixed(event: Event, _now: Instant) -> str:
    """`<6>unlock: message name=value`: sd-daemon(3) takes the number for the priority."""
    return f"<{event.severity.value}>{event.kind.value}: {_message(event)}{_tail(event)}"


def text(event: Event, now: Instant) -> str:
    """Local time, kind, message and what fields add to it, aligned for reading."""
    return f"{_time_of_day(now)} {event.kind.value:<16} {_message(event)}{_rest(event)}"


def coloured(event: Event, now: Instant) -> str:
    """As `text`, with what matters set off."""
    colour = _UNLOCKED if event.kind is EventKind.UNLOCK else _BY_SEVERITY.get(event.severity, "")
    kind = f"{colour}{event.kind.value:<16}"
    message = f"{kind} {_message(event)}{_RESET}"
    return f"{_DIM}{_time_of_day(now)}{_RESET} {message}{_DIM}{_rest(event)}{_RESET}"


def json_line(event: Event, now: Instant) -> str:
    """One JSON object: time_ms (Unix), event, severity, message, fields."""
    fields = dict(fields_of(event))
    line = _json(event, now, fields)
    while len(line.encode()) > LARGEST_LINE_BYTES and fields:
        fields.popitem()
        line = _json(event, now, fields)
    return line


def _json(event: Event, now: Instant, fields: dict[str, object]) -> str:
    return json.dumps(
        {
            "time_ms": int(now),
            "event": event.kind.value,
            "severity": event.severity.name.lower(),
            "message": _message(event),
            "fields": fields,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _message(event: Event) -> str:
    return clean(event.message, LARGEST_MESSAGE_BYTES)


def _tail(event: Event) -> str:
    return _listed(fields_of(event))


def _rest(event: Event) -> str:
    """The fields, without those of which a person has just read the message, and without the
    trace, which is for searching and mostly the session's id.
    """
    message = _message(event)
    return _listed(
        (name, value)
        for name, value in fields_of(event)
        if name != "trace"
        and (name not in _MAY_BE_SAID_ALREADY or str(value).removesuffix("…") not in message)
    )


def _listed(fields: Iterable[tuple[str, object]]) -> str:
    return "".join(f" {name}={_quoted(value)}" for name, value in fields)


def _quoted(value: object) -> str:
    shown = str(value)
    return json.dumps(shown, ensure_ascii=False) if " " in shown or not shown else shown


def _time_of_day(now: Instant) -> str:
    local = datetime.fromtimestamp(now / 1000).astimezone()
    return local.strftime("%H:%M:%S.") + f"{int(now) % 1000:03d}"
