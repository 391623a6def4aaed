"""One virtual machine's worth of Bluetooth: a bus, a bluetoothd on it, and adapters in it.

Programs take part by environment() alone. bluetoothd can be killed and started again while the bus
lives, and adapters pulled out and plugged in, as on a real host.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from blelockd.virtual import processes
from blelockd.virtual.adapter import AddressKind, Plugged
from blelockd.virtual.air import Air
from blelockd.virtual.private_bus import PrivateBus
from blelockd.virtual.settings import Settings
from blelockd.virtual.wire import PlugAdapter, PowerAdapter, UnplugAdapter


@dataclass(frozen=True, slots=True)
class Place:
    """Where the host's files are, and which air it breathes."""

    directory: Path
    air: Air
    air_socket: Path


class Host:
    """Made by VirtualAir.add_host. `name` is also its name on the air."""

    bluetoothd_module: ClassVar[str] = "blelockd.virtual.bluetoothd"

    def __init__(
        self, name: str, place: Place, adapters: Iterable[Plugged], settings: Settings
    ) -> None:
        self.name = name
        self.settings = settings
        self._place = place
        self._bus = PrivateBus(place.directory, name)
        self._adapters = {each.name: each for each in adapters}
        self._bluetoothd = processes.Child("python3", place.directory / f"{name}.bluetoothd.log")

    @property
    def bus_address(self) -> str:
        """The D-Bus address of the host's system bus."""
        return self._bus.address

    @property
    def bluetoothd_pid(self) -> int | None:
        """The process id of the bluetoothd that runs, if one runs."""
        return self._bluetoothd.pid

    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to run on this host."""
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus_address}

    def address(self, adapter: str = "hci0") -> str:
        """The identity address of an adapter that is plugged in."""
        return self._adapters[adapter].address

    def addresses(self) -> list[str]:
        """Every adapter that is plugged in, as `hci0 AA:BB:CC:DD:EE:FF`."""
        return [f"{each.name} {each.address}" for each in self._adapters.values()]

    async def start(self) -> None:
        """Start the bus and bluetoothd. Raises StartError."""
        await self._bus.start()
        await self.start_bluetoothd()

    async def stop(self) -> None:
        """Switch the host off."""
        await self.stop_bluetoothd()
        await self._bus.stop()

    async def start_bluetoothd(self) -> None:
        """Start bluetoothd with the adapters that are plugged in. Raises StartError."""
        if self._bluetoothd.pid is not None:
            raise processes.StartError(f"{self.name} has a bluetoothd already")
        settings = self.settings
        await self._bluetoothd.start(
            sys.executable,
            "-m",
            self.bluetoothd_module,
            *("--host", self.name, "--bus", self.bus_address),
            *("--air", str(self._place.air_socket)),
            *("--adapters", ",".join(map(_argument, self._adapters.values()))),
            *("--release", ".".join(map(str, settings.release))),
            *("--mtu", str(settings.mtu), "--interval-ms", str(settings.interval_ms)),
            *("--connect-ms", str(settings.connect_ms)),
            *("--temporary-seconds", str(settings.temporary_seconds)),
            *("--rotation-seconds", str(settings.rotation_seconds)),
            *(("--experimental",) if settings.experimental else ()),
            env=_python_environment(),
        )
        # it says that it is ready by another way than that on which it greets the air
        try:
            async with asyncio.timeout(processes.READY_SECONDS):
                await self._place.air.heard_from(self.name)
        except TimeoutError:
            raise processes.StartError(f"{self.name}: bluetoothd is not on the air") from None

    async def kill_bluetoothd(self) -> None:
        """SIGKILL: its name vanishes from the bus, its radios from the air."""
        await self._bluetoothd.stop(signal.SIGKILL)

    async def stop_bluetoothd(self) -> None:
        """SIGTERM."""
        await self._bluetoothd.stop()

    async def kill_bus(self) -> None:
        """End the bus: every program of the host loses its connection, bluetoothd too."""
        await self._bus.stop()
        await self.kill_bluetoothd()

    def faults(self) -> str:
        """What bluetoothd complained about: nothing, while the virtual air is sound."""
        return self._bluetoothd.said()

    def remove_adapter(self, name: str = "hci0") -> Plugged:
        """Pull an adapter out; returns what plug_adapter() wants to put it back."""
        plugged = self._adapters.pop(name)
        self._place.air.tell(self.name, UnplugAdapter(name))
        return plugged

    def plug_adapter(self, plugged: Plugged) -> None:
        """Plug an adapter in."""
        self._adapters[plugged.name] = plugged
        frame = PlugAdapter(plugged.name, plugged.address, plugged.kind.value)
        self._place.air.tell(self.name, frame)

    def power_adapter(self, name: str = "hci0", *, on: bool) -> None:
        """Switch an adapter, as rfkill or bluetoothctl would."""
        self._place.air.tell(self.name, PowerAdapter(name, on))


def _argument(plugged: Plugged) -> str:
    return f"{plugged.name}={plugged.address}@{plugged.kind.value}"


def _python_environment() -> dict[str, str]:
    """The child finds this package where this process found it."""
    root = str(Path(__file__).parents[2])
    others = os.environ.get("PYTHONPATH", "")
    path = f"{root}{os.pathsep}{others}" if others else root
    return {**os.environ, "PYTHONPATH": path, "BLELOCK_DBUS_LIBRARY": "dbus_fast"}


__all__ = ["AddressKind", "Host", "Place", "Plugged"]
