"""Whether the machine's clock is right, as the kernel believes. Reads only.

adjtimex(2) with modes=0 changes nothing and needs no privilege; timedatectl asks the same.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# systemd's own threshold for "System clock synchronized" (timedatectl).
_LARGEST_ERROR_US: Final = 16_000_000
_EARLIEST_SECONDS: Final = 1_735_689_600  # 2025-01-01: no clock that is right was ever before it
_ROOM_BYTES: Final = 256  # struct timex is smaller everywhere


class _Timex(ctypes.Structure):
    """The beginning of struct timex (adjtimex(2)), and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * _ROOM_BYTES),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """`synchronised` is None where the kernel does not say."""

    wall_seconds: float
    synchronised: bool | None

    @property
    def plausible(self) -> bool:
        """Whether the clock was ever set since the machine lost it."""
        return self.wall_seconds >= _EARLIEST_SECONDS

    @property
    def shown(self) -> str:
        """The time as people here read it."""
        local = datetime.fromtimestamp(self.wall_seconds).astimezone()
        return local.strftime("%Y-%m-%d %H:%M:%S %Z")


def read() -> KernelClock:
    """How the clock stands now."""
    return KernelClock(time.time(), _synchronised())


def _synchronised() -> bool | None:
    state = _Timex()
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):  # a C library without it
        return None
    return None if answer < 0 else bool(state.maxerror < _LARGEST_ERROR_US)
