"""What we tell systemd of ourselves: sd_notify(3), in datagrams that never make us wait.

Outside systemd (no NOTIFY_SOCKET) all of it does nothing.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

from sdnotify import SystemdNotifier

from blelockd.adapters.journal.record import clean

_LARGEST_STATUS_BYTES: Final = 500
_US_PER_SECOND: Final = 1_000_000
_NS_PER_US: Final = 1000
_NEVER_US: Final = (1 << 64) - 1  # UINT64_MAX, systemd's infinity


class Notifier:
    """The service's side of sd_notify. `lost` counts the datagrams that did not get through."""

    def __init__(self) -> None:
        self._socket: Any = None
        self._owed = ""
        self.lost = 0

    def ready(self, status: str) -> None:
        """Start-up, or a reload, is complete. If it gets lost, the next datagram says it too."""
        if not self._send(f"READY=1\n{_status(status)}"):
            self._owed = "READY=1\n"

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(status))

    def watchdog(self) -> None:
        """We are alive and well."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; ready() ends it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _NS_PER_US
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now_us}")

    def stopping(self) -> None:
        """We are on the way down."""
        self._send("STOPPING=1")

    def watchdog_seconds(self) -> float | None:
        """Within how many seconds systemd expects each watchdog(); None if it does not
        (sd_watchdog_enabled(3)).
        """
        try:
            limit_us = int(os.environ.get("WATCHDOG_USEC", ""))
            process = int(os.environ.get("WATCHDOG_PID", os.getpid()))
        except ValueError:
            return None
        ours = 0 < limit_us < _NEVER_US and process == os.getpid()
        return limit_us / _US_PER_SECOND if ours else None

    def close(self) -> None:
        """Let go of the socket."""
        held, self._socket = self._socket, None
        if held is not None:
            held.close()

    def _send(self, state: str) -> bool:
        if not os.environ.get("NOTIFY_SOCKET"):
            return True
        try:
            if self._socket is None:
                self._socket = _connected()
            self._socket.send((self._owed + state).encode())
        except BlockingIOError:
            self.lost += 1
            return False
        except OSError:  # systemd may have made its socket anew: connect again next time
            self.lost += 1
            self.close()
            return False
        self._owed = ""
        return True


def _connected() -> Any:
    """sdnotify's socket, connected and set not to block; raises OSError.

    Its notify() would block, and encodes as Latin-1, where systemd reads UTF-8.
    """
    connected = SystemdNotifier(debug=True).socket
    connected.setblocking(False)
    return connected


def _status(status: str) -> str:
    """A line break would begin another assignment."""
    return f"STATUS={clean(status, _LARGEST_STATUS_BYTES)}"
