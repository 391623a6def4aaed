"""One advertisement on the air, and who hears it: no BlueZ, no delay, no loss unless asked for."""

from __future__ import annotations

from collections.abc import Callable

from blelockd.services.ports import LinkDown, Sighting


class FakeBroadcaster:
    """ports.Broadcaster that remembers all it put on the air and lets `hearers` hear it."""

    def __init__(self, address: str = "C0:00:00:00:00:01", rssi_dbm: int | None = -50) -> None:
        self.address = address
        self.rssi_dbm = rssi_dbm
        self.on_air: bytes | None = None
        self.payloads: list[bytes] = []
        self.silences = 0
        self.broken = False
        self.hearers: list[Callable[[Sighting], None]] = []

    async def broadcast(self, payload: bytes) -> None:
        """Put `payload` on the air."""
        if self.broken:
            raise LinkDown("the adapter is gone")
        self.on_air = payload
        self.payloads.append(payload)
        self.be_heard()

    async def silence(self) -> None:
        """Take it off the air."""
        self.on_air = None
        self.silences += 1

    def be_heard(self, times: int = 1) -> None:
        """Let everybody in range hear what is on the air now, `times` over."""
        for _ in range(times if self.on_air is not None else 0):
            for hear in self.hearers:
                hear(Sighting(self.on_air or b"", self.address, self.rssi_dbm))
