"""The guest's way to the issuer, through bleak: find its beacon, connect, write, be notified.

It carries bytes. Whatever bleak raises on the way leaves here as RadioDown.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from blelockd.adapters.bluez import bleak_versions
from blelockd.adapters.bluez.beacon_search import BeaconSearch
from blelockd.adapters.bluez.bleak_versions import BleakClient, BleakLink, BLEDevice
from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.errors import Cause, RadioDown, radio_down
from blelockd.adapters.bluez.gatt_connection import GattConnection
from blelockd.adapters.bluez.gatt_endpoints import Endpoint
from blelockd.services.ports import IssuerMark

CONNECT_SECONDS: Final = 15.0
STEP_SECONDS: Final = 10.0
MOST_HANDLES: Final = 8

_log = logging.getLogger(__name__)


class GattCentral:
    """Fulfils ports.Central on the adapter `adapter` (hciN), over a bus connection of its own.

    Nothing else in the process may use bleak. One find() or connect() at a time.
    """

    def __init__(
        self,
        adapter: str,
        endpoint: Endpoint,
        *,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._adapter = adapter
        self._endpoint = endpoint
        self._connect_seconds = connect_seconds
        self._watched: Controller | None = None
        self._devices: OrderedDict[str, BLEDevice] = OrderedDict()
        self._failed: OrderedDict[str, None] = OrderedDict()
        self._epoch: int | None = None

    async def close(self) -> None:
        """Drop every connection to the bus. Safe to repeat; the next find() makes them anew."""
        watched, self._watched, self._epoch = self._watched, None, None
        if watched is not None:
            await watched.close()
            await watched.bus.close()
        self._devices.clear()
        await bleak_versions.forget_bus()

    async def _controller(self) -> Controller:
        """The adapter, ready to be used; raises RadioDown with the cause when it is not."""
        if self._watched is not None and self._watched.bus.closed:
            await self.close()
        if self._watched is None:
            self._watched = Controller(await Bus.connect(), self._adapter)
            try:
                await self._watched.start()
            except BaseException:
                await self.close()
                raise
        self._watched.require_ready()
        if self._epoch not in (None, self._watched.epoch):
            await bleak_versions.forget_bus()  # bleak remembers devices of another bluetoothd
            self._devices.clear()
        self._epoch = self._watched.epoch
        return self._watched

    # --- find ----------------------------------------------------------------------------------

    async def find(self, mark: IssuerMark, timeout_seconds: float) -> str:
        """The address of the issuer whose beacon bears `mark`. Raises RadioDown.

        Of several, the one whose address or name matches; one that failed lately only if there is
        no other, and of such the one whose failure is the longest ago.
        """
        controller = await self._controller()
        search = BeaconSearch(mark, tuple(self._failed))
        try:
            device = await self._scan(controller, search, timeout_seconds)
        except Exception as error:
            await bleak_versions.forget_bus()
            doing = f"scan on {self._adapter}"
            raise self._translated(error, doing, Cause.SCAN_STOPPED) from error
        except BaseException:  # cancelled: the scan must end all the same
            await bleak_versions.forget_bus()
            raise
        if device is None:
            raise RadioDown(Cause.NOT_HEARD, f"no issuer heard for {timeout_seconds:g} s")
        self._remember(device)
        return str(device.address)

    async def _scan(
        self, controller: Controller, search: BeaconSearch, timeout_seconds: float
    ) -> BLEDevice | None:
        scanner = bleak_versions.scanner(search.on_advert, self._adapter)
        async with asyncio.timeout(STEP_SECONDS):
            await bleak_versions.open_bus()
            await scanner.start()
        searching = asyncio.ensure_future(search.best(timeout_seconds))
        lost = asyncio.ensure_future(controller.wait_lost(controller.epoch))
        try:
            await asyncio.wait({searching, lost}, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                raise lost.result()
        finally:
            searching.cancel()
            lost.cancel()
        async with asyncio.timeout(STEP_SECONDS):
            await scanner.stop()
        return searching.result()

    def _translated(self, error: Exception, doing: str, otherwise: Cause) -> RadioDown:
        """The adapter's own trouble, if it has one, explains every other."""
        down = None if self._watched is None else self._watched.down
        return down or radio_down(error, doing, otherwise=otherwise)

    def _remember(self, device: BLEDevice) -> None:
        self._devices[device.address] = device
        while len(self._devices) > MOST_HANDLES:
            self._devices.popitem(last=False)

    # --- connect -------------------------------------------------------------------------------

    @asynccontextmanager
    async def connect(self, handle: str) -> AsyncIterator[GattConnection]:
        """Connect to what find() found, and subscribe. Entering raises RadioDown."""
        controller = await self._controller()
        device = self._devices.get(handle)
        if device is None:
            raise RadioDown(Cause.NOT_HEARD, f"{handle} has not been heard lately")
        connection = GattConnection()
        link = BleakLink(device, self._adapter, connection.on_disconnect, self._connect_seconds)
        watch = asyncio.create_task(_end_when_lost(controller, connection))
        try:
            await self._enter(link, connection)
            self._failed.pop(handle, None)
            yield connection
        except Exception:
            if not connection.is_open:
                self.avoid(handle)
            raise
        finally:
            watch.cancel()
            await self._leave(link, politely=self._epoch == controller.epoch)

    async def _enter(self, link: BleakLink, connection: GattConnection) -> None:
        try:
            async with asyncio.timeout(self._connect_seconds + STEP_SECONDS):
                await link.connect()
                endpoint = self._endpoint
                read_from = self._characteristic(link.client, endpoint.read_uuid)
                written_to = self._characteristic(link.client, endpoint.write_uuid)
                notifies = self._characteristic(link.client, endpoint.notify_uuid)
                await link.client.start_notify(notifies, connection.on_notification)
        except Exception as error:
            if isinstance(error, RadioDown):
                raise
            raise self._translated(error, "connect to the issuer", Cause.PEER_GONE) from error
        connection.open(link.client, read_from, written_to)

    def _characteristic(self, client: BleakClient, uuid: str) -> Any:
        service = client.services.get_service(self._endpoint.service_uuid)
        found = service and service.get_characteristic(uuid)
        if not found:
            raise RadioDown(Cause.NO_SERVICE, "what was found offers no provisioning")
        return found

    def avoid(self, handle: str) -> None:
        """As ports.Central: what is at that address is not found first again."""
        self._failed.pop(handle, None)
        self._failed[handle] = None
        while len(self._failed) > MOST_HANDLES:
            self._failed.popitem(last=False)

    async def _leave(self, link: BleakLink, *, politely: bool) -> None:
        """Disconnect; if that fails, bleak's connection is dropped with all that it remembers."""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await link.close(politely=politely)
        except Exception as error:  # noqa: BLE001 - bleak's versions differ in what they raise
            _log.debug("the issuer was not disconnected from: %r", error)
            await bleak_versions.forget_bus()


async def _end_when_lost(controller: Controller, connection: GattConnection) -> None:
    """bleak 0.20 does not notice that bluetoothd has gone: the connection is told here."""
    connection.end(await controller.wait_lost(controller.epoch))
