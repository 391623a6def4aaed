"""Warnings of the libraries (bleak, paho, asyncio) become events: none unseen, none a flood."""

from __future__ import annotations

import logging
from typing import Final

from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.ports import Clock, Journal

_WINDOW_SECONDS: Final = 60.0


class LibraryLog(logging.Handler):
    """Hands log records from WARNING up to the journal, at most `per_minute` of them.

    What is over that is counted, and told with the next one that gets through.
    """

    def __init__(self, journal: Journal, clock: Clock, per_minute: int = 10) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal
        self._clock = clock
        self._per_minute = per_minute
        self._window_start_seconds = clock.monotonic_seconds()
        self._told = 0
        self._withheld = 0

    def install(self) -> None:
        """Listen to all loggers, and to Python's own warnings."""
        logging.getLogger().addHandler(self)
        logging.captureWarnings(True)

    def uninstall(self) -> None:
        """Listen no more."""
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the journal, or count."""
        now = self._clock.monotonic_seconds()
        if now - self._window_start_seconds >= _WINDOW_SECONDS:
            self._window_start_seconds = now
            self._told = 0
        if self._told >= self._per_minute:
            self._withheld += 1
            return
        self._told += 1
        severity = Severity.ERROR if record.levelno >= logging.ERROR else Severity.WARNING
        fields: dict[str, object] = {"library": record.name}
        if self._withheld:
            fields["withheld"], self._withheld = self._withheld, 0
        message = f"{record.name}: {_message(record)}"
        self._journal.record(Event(EventKind.FAULT, message, severity, fields))


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception as error:  # noqa: BLE001 - a library's slip must not become ours
        message = f"{record.msg!s} (arguments do not fit: {type(error).__name__})"
    if record.exc_info and record.exc_info[1] is not None:
        error_type = type(record.exc_info[1]).__name__
        return f"{message} ({error_type}: {record.exc_info[1]})"
    return message
