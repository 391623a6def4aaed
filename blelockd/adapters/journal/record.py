"""What an event looks like in a journal: names, ids, and no character that could deceive a reader.

Everything that leaves here is printable, on one line, and of bounded length.
"""

from __future__ import annotations

import math
import re
from typing import Final
from uuid import UUID, uuid5

from blelockd.services.events import Event, EventKind

# Together one line stays below PIPE_BUF, so that writing it is one step (pipe(7)).
LARGEST_MESSAGE_BYTES: Final = 1000
LARGEST_VALUE_BYTES: Final = 200
MOST_FIELDS: Final = 12

_NAMESPACE: Final = UUID("6ab25d01-6e2c-4e16-9c7f-8f0ee9c64a3f")
_NOT_IN_A_NAME: Final = re.compile(r"[^a-z0-9_]")
_LARGEST_NAME: Final = 40  # journald takes 64, with our prefix
_LARGEST_NUMBER: Final = 1 << 63

MESSAGE_IDS: Final = {kind: uuid5(_NAMESPACE, kind.value).hex for kind in EventKind}
"""MESSAGE_ID of each kind, for ever: catalogs and `journalctl MESSAGE_ID=` know them
(systemd.journal-fields(7)). A kind that is renamed gets another."""


def clean(value: object, largest_bytes: int = LARGEST_VALUE_BYTES) -> str:
    """`str(value)` with blanks for line breaks and tabs, without other control or format
    characters, cut to `largest_bytes` of UTF-8 (a cut shows as an ellipsis).
    """
    whole = str(value)
    text = whole[:largest_bytes]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    raw = text.encode("utf-8", "replace")
    if len(raw) > largest_bytes or len(whole) > largest_bytes:
        ellipsis = "…"
        kept = raw[: largest_bytes - len(ellipsis.encode())]
        text = kept.decode("utf-8", "ignore") + ellipsis
    return text


def fields_of(event: Event) -> list[tuple[str, object]]:
    """The event's fields, names made safe; numbers and truth values as they are, else text."""
    return [
        (_NOT_IN_A_NAME.sub("_", name.lower())[:_LARGEST_NAME], _plain(value))
        for name, value in list(event.fields.items())[:MOST_FIELDS]
    ]


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, int) and abs(value) < _LARGEST_NUMBER:
        return int(value)
    return clean(value)


def native_fields(event: Event, identifier: str) -> list[str]:
    """The event as `NAME=value` for journald (systemd.journal-fields(7))."""
    return [
        f"MESSAGE={clean(event.message, LARGEST_MESSAGE_BYTES)}",
        f"PRIORITY={event.severity.value}",
        f"MESSAGE_ID={MESSAGE_IDS[event.kind]}",
        f"SYSLOG_IDENTIFIER={identifier}",
        f"BLELOCK_EVENT={event.kind.value}",
        *(f"BLELOCK_{name.upper()}={value}" for name, value in fields_of(event)),
    ]
