"""A room with a virtual air for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from blelockd.virtual.hosts import VirtualAir
from tests.adapters.bluez.room import Room


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """Hosts are added by the test; all is closed after it, and no host may have had a fault."""
    async with VirtualAir() as air:
        room = Room(air, monkeypatch)
        try:
            yield room
        finally:
            await room.close()
            sound = {name: host for name, host in air.hosts.items() if name not in room.bus_killed}
            faults = {name: host.faults() for name, host in sound.items()}
        assert not any(faults.values()), faults
