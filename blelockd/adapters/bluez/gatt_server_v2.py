"""Version 2's service: INFO is read, REQ written, RSP notifies. It carries bytes, and no more.

docs/protocol.md, "INFO, and the service". What is read as INFO differs for each connection.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.defs import ERROR_IN_PROGRESS
from blelockd.adapters.bluez.exported import DBusFault, Method, MethodCall, Reply
from blelockd.adapters.bluez.gatt_application import (
    GattApplication,
    Objects,
    characteristic,
    rest_of,
    service,
)
from blelockd.adapters.bluez.gatt_endpoints import V2_ENDPOINT
from blelockd.adapters.bluez.gatt_notifier import Notifier
from blelockd.adapters.bluez.gatt_peers import Peers
from blelockd.adapters.bluez.gatt_writes import WriteQueues
from blelockd.services.ports import WriteHandler

MOST_READERS: Final = 128
_ROOT: Final = "/org/blelock/gatt2"
_SERVICE: Final = _ROOT + "/service0"
_INFO: Final = _SERVICE + "/characteristic0"
_REQ: Final = _SERVICE + "/characteristic1"
_RSP: Final = _SERVICE + "/characteristic2"


class V2GattServer:
    """Fulfils ports.V2Peripheral on one adapter. One for each Bus: it serves fixed paths.

    `sockets`: see Notifier.
    """

    def __init__(self, controller: Controller, *, sockets: bool = True) -> None:
        self._controller = controller
        self._application = GattApplication(controller, _ROOT, self._objects)
        self._notifier = Notifier(self._application, _RSP, sockets=sockets)
        self._peers = Peers(controller, self._on_gone)
        self._writes: WriteQueues | None = None
        self._info: Callable[[str], bytes] = lambda _: b""
        self._tell_gone: Callable[[str], object] = lambda _: None
        self._being_read: OrderedDict[str, bytes] = OrderedDict()

    async def start(
        self,
        info: Callable[[str], bytes],
        handler: WriteHandler,
        on_gone: Callable[[str], object],
    ) -> None:
        """Register with BlueZ. `info` makes what a device reads, anew at each reading; each
        written value goes to `handler`; `on_gone` hears which of these devices have left. Raises
        RadioDown.
        """
        self._controller.require_ready()
        await self._forget()
        self._info, self._tell_gone = info, on_gone
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
        self._being_read.clear()
        await self._peers.close()
        writes, self._writes = self._writes, None
        if writes is not None:
            await writes.close()

    # --- ports.V2Peripheral --------------------------------------------------------------------

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """Send `frames` in order: see Notifier. Raises RadioDown."""
        await self._notifier.notify(device, frames)

    async def disconnect(self, device: str) -> None:
        """End that device's connection; never raises."""
        await self._peers.disconnect(device)

    # --- what BlueZ sees -----------------------------------------------------------------------

    def _objects(self) -> Objects:
        read = {"ReadValue": Method(self._on_read, "a{sv}", "ay")}
        write = {"WriteValue": Method(self._on_write, "aya{sv}")}
        notifier = self._notifier
        return {
            _SERVICE: service(V2_ENDPOINT.service_uuid),
            _INFO: characteristic(V2_ENDPOINT.read_uuid, _SERVICE, ("read",), {}, read),
            _REQ: characteristic(V2_ENDPOINT.write_uuid, _SERVICE, ("write",), {}, write),
            _RSP: characteristic(
                V2_ENDPOINT.notify_uuid,
                _SERVICE,
                ("notify",),
                notifier.properties(),
                notifier.methods(),
            ),
        }

    def _on_read(self, call: MethodCall) -> Reply:
        """A small MTU reads INFO in parts: they must be of one and the same."""
        options = call.args[0]
        device, offset = self._application.device(options), options.get("offset", 0)
        if offset == 0:
            self._peers.follow(device)
            self._being_read.pop(device, None)
            self._being_read[device] = self._info(device)
            if len(self._being_read) > MOST_READERS:
                self._being_read.popitem(last=False)
        return Reply((rest_of(self._being_read.get(device, b""), offset),))

    def _on_write(self, call: MethodCall) -> None:
        write = self._application.written(call)
        if write is None:
            return
        if self._writes is None or not self._writes.put(write):
            raise DBusFault(ERROR_IN_PROGRESS, "too many values wait")
        self._peers.follow(write.device)

    def _on_gone(self, device: str) -> None:
        self._being_read.pop(device, None)
        self._tell_gone(device)
