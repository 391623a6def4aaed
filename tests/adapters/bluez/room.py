"""What the tests of the BlueZ adapters share: hosts on a virtual air, our end of their buses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from blelockd.adapters.bluez import bleak_versions, dbus
from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.errors import Cause
from blelockd.virtual.hosts import Host, VirtualAir

SERVICE = "c0de0001-0000-1000-8000-00805f9b34fb"
CHARACTERISTIC = "c0de0002-0000-1000-8000-00805f9b34fb"
HEART_RATE = "0000180d-0000-1000-8000-00805f9b34fb"
COMPANY = 0xFFFF
PATIENCE_SECONDS = 20.0


async def eventually(holds: Callable[[], object], what: str = "it") -> None:
    """Return once `holds()`; fail the test when it does not in good time."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"{what} did not come to pass in {PATIENCE_SECONDS:.0f} s")


async def goes_down(controller: Controller, cause: Cause) -> None:
    """Return once that is why: an adapter that is pulled is powered off for a moment first."""
    await eventually(lambda: controller.down is not None and controller.down.cause is cause, cause)


def open_files() -> int:
    """How many descriptors this process holds."""
    return len(os.listdir("/proc/self/fd"))


@dataclass
class Room:
    """A virtual air, and everything of ours that must be closed after the test."""

    air: VirtualAir
    monkeypatch: pytest.MonkeyPatch
    buses: list[Bus] = field(default_factory=list)
    strangers: list[dbus.MessageBus] = field(default_factory=list)
    bus_killed: set[str] = field(default_factory=set)

    async def bus(self, host: Host) -> Bus:
        """A connection of ours to the host's bus."""
        self.buses.append(await Bus.connect(host.bus_address))
        return self.buses[-1]

    async def controller(self, host: Host, adapter: str = "hci0") -> Controller:
        """The host's adapter, ready."""
        controller = await self.watched(host, adapter)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await controller.wait_ready()
        return controller

    async def watched(self, host: Host, adapter: str = "hci0") -> Controller:
        """The host's adapter, in whatever state."""
        controller = Controller(await self.bus(host), adapter)
        await controller.start()
        return controller

    def bleak_on(self, host: Host) -> None:
        """Have bleak, and what finds its bus by itself, use the host's bus."""
        self.monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", host.bus_address)

    async def kill_bus(self, host: Host) -> None:
        """End the host's bus; of its bluetoothd, which complains, no more is asked."""
        self.bus_killed.add(host.name)
        await host.kill_bus()

    async def stranger(self, host: Host) -> dbus.MessageBus:
        """Another local user's connection to the host's bus."""
        self.strangers.append(await dbus.connect(host.bus_address))
        return self.strangers[-1]

    async def close(self) -> None:
        """Close it all."""
        await bleak_versions.forget_bus()
        for bus in self.buses:
            await bus.close()
        for stranger in self.strangers:
            await dbus.disconnect(stranger)


async def ask(
    stranger: dbus.MessageBus,
    destination: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    *body: Any,
) -> dbus.Message:
    """What is answered to a stranger's call."""
    message = dbus.Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(body),
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await stranger.call(message)
    assert answer is not None
    return answer
