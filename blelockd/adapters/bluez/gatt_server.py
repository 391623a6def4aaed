"""Version 1's provisioning characteristic: one service, one characteristic, read, write, notify.

It carries bytes, answers only bluetoothd, and keeps no value longer than it is needed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.defs import DEVICE, ERROR_IN_PROGRESS
from blelockd.adapters.bluez.errors import RadioDown
from blelockd.adapters.bluez.exported import DBusFault, Method, MethodCall, Reply
from blelockd.adapters.bluez.gatt_application import (
    GattApplication,
    Objects,
    characteristic,
    mtu_of,
    rest_of,
    service,
)
from blelockd.adapters.bluez.gatt_notifier import Notifier
from blelockd.adapters.bluez.gatt_writes import WriteQueues
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import BluetoothAddress
from blelockd.services.ports import Peer, WriteHandler

MOST_OFFERS: Final = 16
IDENTIFY_SECONDS: Final = 2.0
_ROOT: Final = "/org/blelock/gatt"
_SERVICE: Final = _ROOT + "/service0"
_CHARACTERISTIC: Final = _SERVICE + "/characteristic0"


class GattServer:
    """Fulfils ports.Peripheral on one adapter. One for each Bus: it serves fixed paths.

    `sockets`: see Notifier.
    """

    def __init__(
        self,
        controller: Controller,
        service_uuid: str,
        characteristic_uuid: str,
        *,
        sockets: bool = True,
    ) -> None:
        self._controller = controller
        self._uuids = service_uuid, characteristic_uuid
        self._application = GattApplication(controller, _ROOT, self._objects)
        self._notifier = Notifier(self._application, _CHARACTERISTIC, sockets=sockets)
        self._writes: WriteQueues | None = None
        self._offers: OrderedDict[str, bytes] = OrderedDict()

    async def start(self, handler: WriteHandler) -> None:
        """Register with BlueZ; each written value goes to `handler`. Raises RadioDown.

        Again after a loss: what was subscribed and offered before is forgotten.
        """
        self._controller.require_ready()
        await self._forget()
        self._writes = WriteQueues(handler)
        await self._application.register()

    async def stop(self) -> None:
        """Unregister. Safe to repeat, and on a lost adapter."""
        await self._forget()
        await self._application.unregister()

    async def alive(self) -> None:
        """Return when the service is registered. Raises RadioDown with the cause."""
        await self._application.alive()

    async def _forget(self) -> None:
        self._notifier.forget()
        self._offers.clear()
        writes, self._writes = self._writes, None
        if writes is not None:
            await writes.close()

    # --- ports.Peripheral ----------------------------------------------------------------------

    async def identify(self, device: str) -> Peer:
        """The peer behind that device, its address resolved where possible; never raises."""
        try:
            async with asyncio.timeout(IDENTIFY_SECONDS):
                properties = await self._controller.bus.get_all(device, DEVICE)
            address = BluetoothAddress.parse(str(properties.get("Address", "")))
        except (RadioDown, TimeoutError, Malformed):
            return Peer(device)
        return Peer(device, address, properties.get("AddressType") != "public")

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """Send `frames` in order: see Notifier. Raises RadioDown."""
        await self._notifier.notify(device, frames)

    def offer(self, device: str, value: bytes) -> None:
        """Let that device, and no other, read `value` once; an empty value clears it."""
        self._offers.pop(device, None)
        if value:
            self._offers[device] = value
            while len(self._offers) > MOST_OFFERS:
                self._offers.popitem(last=False)

    # --- what BlueZ sees -----------------------------------------------------------------------

    def _objects(self) -> Objects:
        service_uuid, characteristic_uuid = self._uuids
        methods = {
            "ReadValue": Method(self._on_read, "a{sv}", "ay"),
            "WriteValue": Method(self._on_write, "aya{sv}"),
            **self._notifier.methods(),
        }
        return {
            _SERVICE: service(service_uuid),
            _CHARACTERISTIC: characteristic(
                characteristic_uuid,
                _SERVICE,
                ("read", "write", "notify"),
                self._notifier.properties(),
                methods,
            ),
        }

    def _on_write(self, call: MethodCall) -> None:
        write = self._application.written(call)
        if write is not None and (self._writes is None or not self._writes.put(write)):
            raise DBusFault(ERROR_IN_PROGRESS, "too many values wait")

    def _on_read(self, call: MethodCall) -> Reply:
        options = call.args[0]
        device = self._application.device(options)
        rest = rest_of(self._offers.get(device, b""), options.get("offset", 0))
        if len(rest) < mtu_of(options) - 1:  # the last part: one is left empty for all
            self._offers.pop(device, None)
        return Reply((rest,))
