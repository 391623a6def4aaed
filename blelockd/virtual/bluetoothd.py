"""One host's org.bluez: `python -m blelockd.virtual.bluetoothd --host H --bus B --air S ...`.

Owns the name on the host's bus, brings the host's adapters onto it, and hands what comes from the
air to the adapter that it is for. Prints `ready` when clients may come; ends when bus or air end.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Mapping
from typing import Any

from blelockd.adapters.bluez.dbus import connect, disconnect
from blelockd.adapters.bluez.exported import Interface, Method
from blelockd.virtual.adapter import Adapter, AddressKind, Plugged
from blelockd.virtual.antenna import Antenna
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.names import ADVERTISEMENT, AGENT_MANAGER, CHARACTERISTIC
from blelockd.virtual.settings import Settings, parse_release
from blelockd.virtual.wire import (
    Frame,
    Heard,
    Hello,
    LinkRequest,
    OnLink,
    PlugAdapter,
    PowerAdapter,
    UnplugAdapter,
)


class Bluetoothd:
    """The adapters of one host, between its bus and the air."""

    def __init__(self, bus: BluezBus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._adapters: dict[str, Adapter] = {}
        self._antenna = Antenna(self._on_frame, self._on_silence)
        self.silenced = asyncio.Event()
        bus.on_gone = self._on_owner_gone
        bus.on_changed = self._on_changed
        bus.on_added = self._on_added

    async def start(self, host: str, socket: str, plugged: list[Plugged]) -> None:
        """Reach the air, own org.bluez, plug the adapters in. Raises OSError, DBusFault."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self._antenna, socket)
        self._antenna.send(Hello(host))
        nothing = Method(lambda _call: None, "o")
        agents = {
            "RegisterAgent": Method(lambda _call: None, "os"),
            "UnregisterAgent": nothing,
            "RequestDefaultAgent": nothing,
        }
        self._bus.tree.add("/org/bluez", Interface(AGENT_MANAGER, {}, agents))
        for each in plugged:
            self._plug(each)
        await self._bus.own()

    def power_off(self) -> None:
        """What comes first when bluetoothd is asked to end (seen on 5.66 and 5.82)."""
        for adapter in self._adapters.values():
            adapter.power(powered=False)

    def _plug(self, plugged: Plugged) -> None:
        if plugged.name not in self._adapters:
            adapter = Adapter(plugged, self._bus, self._settings, self._antenna.send)
            self._adapters[plugged.name] = adapter
            adapter.plug()

    def _on_silence(self, _antenna: Antenna, _error: Exception | None) -> None:
        self.silenced.set()

    def _on_frame(self, _antenna: Antenna, frame: Frame) -> None:
        match frame:
            case Heard():
                adapter = self._adapters.get(frame.radio)
                if adapter is not None and adapter.powered:
                    adapter.devices.hear(frame)
            case LinkRequest():
                adapter = self._adapters.get(frame.radio)
                if adapter is not None:
                    accepted = adapter.powered and adapter.advertising.is_connectable
                    adapter.connections.on_request(frame, accepted=accepted)
            case PlugAdapter():
                self._plug(Plugged(frame.adapter, frame.address, AddressKind(frame.kind)))
            case UnplugAdapter():
                adapter = self._adapters.pop(frame.adapter, None)
                if adapter is not None:
                    adapter.unplug()
            case PowerAdapter():
                adapter = self._adapters.get(frame.adapter)
                if adapter is not None:
                    adapter.power(frame.powered)
            case _ if isinstance(frame, OnLink):
                for adapter in self._adapters.values():  # both ends may be in this host
                    if adapter.connections.owns(frame.link):
                        adapter.connections.on_frame(frame)
            case _:
                pass

    def _on_owner_gone(self, owner: str) -> None:
        for adapter in self._adapters.values():
            adapter.owner_gone(owner)

    def _on_changed(
        self, owner: str, path: str, interface: str, changed: Mapping[str, Any]
    ) -> None:
        for adapter in self._adapters.values():
            if interface == ADVERTISEMENT:
                adapter.advertising.on_changed(owner, path, changed)
            elif interface == CHARACTERISTIC:
                adapter.server.on_changed(owner, path, changed)

    def _on_added(self, owner: str, path: str, interfaces: Mapping[str, Any]) -> None:
        for adapter in self._adapters.values():
            adapter.monitors.on_added(owner, path, interfaces)


def parse_adapters(text: str) -> list[Plugged]:
    """`hci0=AA:BB:CC:DD:EE:FF,hci1=...@private` as adapters. Raises ValueError."""
    plugged = []
    for item in filter(None, text.split(",")):
        name, _, rest = item.partition("=")
        address, _, kind = rest.partition("@")
        if len(bytes.fromhex(address.replace(":", ""))) != 6:
            raise ValueError(f"{address} is no Bluetooth address")
        plugged.append(Plugged(name, address.upper(), AddressKind(kind or "public")))
    return plugged


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m blelockd.virtual.bluetoothd",
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument("--host", required=True, help="the host's name on the air")
    parser.add_argument("--bus", required=True, help="the D-Bus address of the host's bus")
    parser.add_argument("--air", required=True, help="the air's Unix socket")
    parser.add_argument(
        "--adapters",
        type=parse_adapters,
        default=[],
        metavar="hci0=AA:BB:CC:DD:EE:FF[@public|@random|@private],...",
        help="the controllers that are plugged in; @private has a rotating address",
    )
    parser.add_argument("--experimental", action="store_true", help="as bluetoothd --experimental")
    parser.add_argument("--release", type=parse_release, default=(5, 66), help="5.66 or 5.82")
    defaults = Settings()
    parser.add_argument("--mtu", type=int, default=defaults.mtu)
    parser.add_argument("--interval-ms", type=int, default=defaults.interval_ms)
    parser.add_argument("--connect-ms", type=int, default=defaults.connect_ms)
    parser.add_argument("--temporary-seconds", type=float, default=defaults.temporary_seconds)
    parser.add_argument("--rotation-seconds", type=float, default=defaults.rotation_seconds)
    return parser.parse_args(argv)


async def run(argv: list[str]) -> None:
    """Be bluetoothd until SIGTERM, or until the bus or the air is gone."""
    given = _arguments(argv)
    settings = Settings(
        release=given.release,
        experimental=given.experimental,
        mtu=given.mtu,
        interval_ms=given.interval_ms,
        connect_ms=given.connect_ms,
        temporary_seconds=given.temporary_seconds,
        rotation_seconds=given.rotation_seconds,
    )
    connection = await connect(given.bus)
    bus = BluezBus(connection)
    daemon = Bluetoothd(bus, settings)
    await daemon.start(given.host, given.air, given.adapters)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    print("ready", flush=True)
    waits = bus.closed(), daemon.silenced.wait(), asked.wait()
    ends = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if asked.is_set():
        daemon.power_off()
    await disconnect(connection)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    gc.set_threshold(50_000, 20, 1_000)  # a full collection over 10,000 devices is a 0.3 s silence
    asyncio.run(run(sys.argv[1:]))
