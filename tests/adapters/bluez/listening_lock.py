"""A lock on the virtual air that only listens."""

from __future__ import annotations

import math
import time

import pytest

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.observer import Observer, ScanMode
from blelockd.services.ports import Sighting
from tests.adapters.bluez.room import COMPANY, Room, eventually

STRANGER = "C0:00:00:00:00:99"
BOTH_MODES = pytest.mark.parametrize("mode", [ScanMode.PASSIVE, ScanMode.ACTIVE])
BOTH_RELEASES = pytest.mark.parametrize("release", [(5, 66), (5, 82)], ids=["bookworm", "trixie"])


def advert(payload: bytes, *, company: int = COMPANY, flags: bytes = b"\x02\x01\x06") -> bytes:
    return flags + bytes((len(payload) + 3, 0xFF)) + company.to_bytes(2, "little") + payload


class Lock:
    """A host that listens, and what it heard."""

    def __init__(self, room: Room, controller: Controller, mode: ScanMode) -> None:
        self.room = room
        self.controller = controller
        self.host = room.air.hosts["lock"]
        self.sightings: list[Sighting] = []
        self.observer = Observer(controller, mode, COMPANY, self.sightings.append)

    @classmethod
    async def in_room(
        cls,
        room: Room,
        mode: ScanMode = ScanMode.AUTO,
        *,
        experimental: bool = True,
        release: tuple[int, int] = (5, 66),
        temporary_seconds: float = 30.0,
    ) -> Lock:
        host = await room.air.add_host(
            "lock",
            experimental=experimental,
            release=release,
            temporary_seconds=temporary_seconds,
        )
        room.bleak_on(host)
        return cls(room, await room.controller(host), mode)

    async def hears(self, payload: bytes) -> Sighting:
        """A sighting of that payload, advertised now, and once a second until it is heard: what is
        on the air before the antenna has been told to listen is lost, as it is in the world.
        """
        advertised_seconds = -math.inf

        def heard() -> bool:
            nonlocal advertised_seconds
            if time.monotonic() - advertised_seconds >= 1:
                advertised_seconds = time.monotonic()
                self.room.air.inject(STRANGER, advert(payload), -60)
            return any(each.payload == payload for each in self.sightings)

        await eventually(heard)
        return next(each for each in self.sightings if each.payload == payload)
