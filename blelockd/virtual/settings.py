"""What kind of BlueZ this is: its release, its experimental mode, and what it leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Release = tuple[int, int]

BOOKWORM: Final[Release] = (5, 66)
TRIXIE: Final[Release] = (5, 82)


@dataclass(frozen=True, slots=True)
class Settings:
    """How one virtual bluetoothd behaves."""

    release: Release = BOOKWORM
    experimental: bool = False
    mtu: int = 517
    """What this side offers; a link's MTU is the smaller of both offers."""
    interval_ms: int = 1280
    """Advertising interval where the advert may not choose: BlueZ's own is 1,280 ms."""
    connect_ms: int = 20
    """From the request to the link, and again from the link to the resolved services."""
    temporary_seconds: float = 30.0
    """How long a device that is not connected is remembered: main.conf TemporaryTimeout."""
    rotation_seconds: float = 900.0
    """How often a private address changes."""

    @property
    def notifies_each_device_apart(self) -> bool:
        """From 5.80 on, each subscriber has a notification pipe of its own."""
        return self.release >= (5, 80)

    @property
    def counts_what_stands_before_a_value(self) -> bool:
        """Seen on 5.66, mended in 5.69: a write's handle, a long write's offset, too, count as part
        of the value, which then may have 510 bytes, or 508.
        """
        return self.release < (5, 69)

    @property
    def speaks_over_several_channels(self) -> bool:
        """Seen between two 5.66 in experimental mode, which open more channels by EATT."""
        return self.experimental

    @property
    def empty_filter_is_no_filter(self) -> bool:
        """Seen on 5.82: a filter without Pattern, RSSI, Pathloss or UUIDs needs the flag."""
        return self.release >= (5, 80)


def parse_release(text: str) -> Release:
    """`5.66` as (5, 66). Raises ValueError."""
    major, minor = text.split(".")
    return int(major), int(minor)
