"""Where events go: journald itself, or lines on a stream. Neither may stop or end the daemon.

What cannot be written is counted, and the count is written as soon as that works again.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from typing import Final

from blelockd.adapters.journal.record import native_fields
from blelockd.adapters.journal.shapes import LARGEST_LINE_BYTES, Shape
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.ports import Clock

_CUT: Final = "…".encode()


class Sink:
    """ports.Journal over something that may fail. Keeps events up to `level` in severity."""

    def __init__(self, level: Severity = Severity.INFO) -> None:
        self.level = level
        self.lost = 0
        self._untold = 0

    def record(self, event: Event) -> None:
        """Keep `event`, or count it as lost."""
        if event.severity > self.level:
            return
        if self._untold and self._write(_confession(self._untold)):
            self._untold = 0
        if self._untold or not self._write(event):
            self.lost += 1
            self._untold += 1

    def close(self) -> None:
        """Let go of what is held open. Safe to repeat; a later event opens it again."""

    def _write(self, event: Event) -> bool:
        """Whether the event was written; must not block or raise."""
        raise NotImplementedError


class NativeJournal(Sink):
    """journald with all fields, through `send` (systemd.journal.sendv of python3-systemd).

    libsystemd waits as long as journald does not read; so the `gate` is asked before.
    """

    def __init__(self, send: Callable[..., object], identifier: str, gate: Gate) -> None:
        super().__init__()
        self._send = send
        self._identifier = identifier
        self._gate = gate

    def close(self) -> None:
        """Let go of the gate's socket."""
        self._gate.close()

    def _write(self, event: Event) -> bool:
        try:
            if not self._gate.is_open():
                return False
            self._send(*native_fields(event, self._identifier))
        except OSError:
            return False
        return True


class Gate:
    """Whether a datagram socket's reader keeps up; True where there is none to ask."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._probe: socket.socket | None = None

    def is_open(self) -> bool:
        """Whether a datagram would be taken at once."""
        if self._probe is None:
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                probe.connect(self._address)
            except OSError:
                probe.close()
                return True
            self._probe = probe
        poll = select.poll()
        poll.register(self._probe, select.POLLOUT)
        return bool(poll.poll(0))  # no answer at all: its queue is full

    def close(self) -> None:
        """Let go of the socket."""
        held, self._probe = self._probe, None
        if held is not None:
            held.close()


class LineJournal(Sink):
    """One line per event on a file descriptor; None is a stream that was closed from the start.

    Asks before each write whether it would block: O_NONBLOCK would change the terminal or pipe
    for all who share it. A line is at most PIPE_BUF long, so one that may begin gets through.
    """

    def __init__(self, descriptor: int | None, shape: Shape, clock: Clock) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._shape = shape
        self._clock = clock

    def _write(self, event: Event) -> bool:
        if self._descriptor is None:
            return False
        line = self._shape(event, self._clock.now()).encode("utf-8", "replace")
        if len(line) > LARGEST_LINE_BYTES:
            line = line[: LARGEST_LINE_BYTES - len(_CUT)].decode("utf-8", "ignore").encode() + _CUT
        try:
            return self._takes_more(self._descriptor) and _write_all(self._descriptor, line + b"\n")
        except OSError:
            return False

    @staticmethod
    def _takes_more(descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return any(state & select.POLLOUT for _, state in poll.poll(0))


def _write_all(descriptor: int, line: bytes) -> bool:
    return os.write(descriptor, line) == len(line)


def _confession(lost: int) -> Event:
    return Event(
        EventKind.FAULT,
        f"{lost} events before this one could not be written to the journal",
        Severity.WARNING,
        {"lost": lost},
    )
