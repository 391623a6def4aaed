"""The journal: the right one is chosen here, by asking where standard error leads.

journald with fields where it is, `<N>` lines where python3-systemd is missing, else lines to read.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from blelockd.adapters.clock import SystemClock
from blelockd.adapters.journal.libraries import LibraryLog
from blelockd.adapters.journal.record import MESSAGE_IDS
from blelockd.adapters.journal.shapes import coloured, json_line, prefixed, text
from blelockd.adapters.journal.sinks import Gate, LineJournal, NativeJournal, Sink
from blelockd.services.ports import Clock

__all__ = ["MESSAGE_IDS", "MODES", "LibraryLog", "Sink", "for_mode"]

MODES: Final = ("auto", "journal", "text", "json")

_JOURNALD: Final = "/run/systemd/journal/socket"  # libsystemd knows no other


def for_mode(
    mode: str,
    identifier: str,
    *,
    stream: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
) -> Sink:
    """The journal for one of MODES, on `stream` (standard error); raises ValueError.

    `auto` is `journal` where the stream leads to journald, else `text`.
    """
    out = sys.stderr if stream is None else stream
    clock = clock or SystemClock()
    if mode == "journal" or (mode == "auto" and _leads_to_journald(out, environment)):
        send = _native_send()
        if send is not None:
            return NativeJournal(send, identifier, Gate(_JOURNALD))
        return LineJournal(_descriptor(out), prefixed, clock)
    if mode == "json":
        return LineJournal(_descriptor(out), json_line, clock)
    if mode in ("auto", "text"):
        shape = coloured if _wants_colour(out, environment) else text
        return LineJournal(_descriptor(out), shape, clock)
    raise ValueError(f"a journal is one of {', '.join(MODES)}")


def _descriptor(stream: TextIO | None) -> int | None:
    """None where there is no stream: Python has none if it was closed when it started."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def _leads_to_journald(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Whether this is the stream that journald gave us (systemd.exec(5), $JOURNAL_STREAM)."""
    descriptor = _descriptor(stream)
    if descriptor is None:
        return False
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _native_send() -> Callable[..., object] | None:
    try:
        journal = importlib.import_module("systemd.journal")
    except ImportError:  # python3-systemd is optional: it is not on PyPI for every platform
        return None
    send: Callable[..., object] = journal.sendv
    return send


def _wants_colour(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """On a terminal that can, unless the user does not want any (no-color.org)."""
    descriptor = _descriptor(stream)
    return (
        descriptor is not None
        and os.isatty(descriptor)
        and not environment.get("NO_COLOR")
        and environment.get("TERM") != "dumb"
    )
