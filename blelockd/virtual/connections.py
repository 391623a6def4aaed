"""The links of one adapter, in both roles, and the order in which their life is told.

As central: Connect, resolve the peer's services, Disconnect. As peripheral: take a central in while
something connectable is advertised. BlueZ src/device.c.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Final

from blelockd.virtual import att
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.device import Device
from blelockd.virtual.gatt_client import GattClient
from blelockd.virtual.gatt_server import GattServer
from blelockd.virtual.link import Link, LinkLostError
from blelockd.virtual.names import refused
from blelockd.virtual.settings import Settings
from blelockd.virtual.wire import (
    Answer,
    Discover,
    Frame,
    LinkAnswer,
    LinkClosed,
    LinkRequest,
    Notification,
    OnLink,
    Read,
    ServicesChanged,
    Subscribe,
    Write,
)

CONNECT_SECONDS: Final = 2.0
"""A peer that does not answer: real BlueZ tries for some 40 s, which no test waits for."""

_ABORTED: Final = "le-connection-abort-by-local"


class Connections:
    """The links of one adapter. `meet` finds or makes the device of a central that comes in."""

    def __init__(
        self,
        radio: str,
        bus: BluezBus,
        settings: Settings,
        send: Callable[[Frame], None],
        meet: Callable[[str, str], Device],
    ) -> None:
        self._radio = radio
        self._bus = bus
        self._settings = settings
        self._send = send
        self._meet = meet
        self._devices: dict[str, Device] = {}  # by link name
        self._answers: dict[str, asyncio.Future[LinkAnswer]] = {}
        self.server: GattServer

    def path_of(self, link: Link) -> str:
        """The path of the device at the other end."""
        return self._devices[link.name].path

    def owns(self, link_name: str) -> bool:
        """Whether this is a link of this adapter, open or being asked for."""
        return link_name in self._devices or link_name in self._answers

    def owner_gone(self, owner: str) -> None:
        """A local client died: its subscriptions end, the links stay."""
        for device in self._devices.values():
            if device.client is not None:
                device.client.owner_gone(owner)

    async def connect(self, device: Device) -> None:
        """Open a link to this device and resolve its services. Raises DBusFault."""
        if device.is_connecting:
            raise refused("InProgress")
        if device.link is not None:
            return
        device.is_connecting = True
        try:
            link = await self._open(device)
            await self._resolve(device, link)
        except (TimeoutError, LinkLostError, att.AttError):
            raise refused("Failed", _ABORTED) from None
        finally:
            device.is_connecting = False

    def disconnect(self, device: Device) -> None:
        """Close the link once the answer to this call has left. Raises DBusFault."""
        if device.is_connecting and device.link is None:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(LinkLostError(_ABORTED))
            return
        if device.link is None:
            raise refused("NotConnected")
        # The other way round, bleak 1.x and 2.x close their bus on Connected=False, and the call
        # that they await dies.
        asyncio.get_running_loop().call_soon(self.drop, device)

    def disconnect_all(self) -> None:
        """The controller is off or gone."""
        for device in list(self._devices.values()):
            self.drop(device)

    def drop(self, device: Device, *, tell: bool = True) -> None:
        """End a device's link, if it has one, and say so on the bus."""
        link = device.link
        if link is None:
            return
        device.link = None
        link.close(tell=tell)
        if device.client is not None:
            device.client.withdraw()
            device.client = None
        self.server.link_closed(link)
        self._devices.pop(link.name, None)
        device.tell(ServicesResolved=False)
        device.tell(Connected=False)

    def on_request(self, frame: LinkRequest, *, accepted: bool) -> None:
        """A central asks for a link."""
        mtu = max(att.MIN_MTU, min(self._settings.mtu, frame.mtu))
        device = self._meet(frame.from_address, frame.from_type) if accepted else None
        if device is None or device.link is not None:
            self._send(LinkAnswer(frame.link, False, 0))
            return
        link = self._attach(device, frame.link, mtu)
        self.server.link_opened(link)
        self._send(LinkAnswer(frame.link, True, mtu))
        device.tell(Connected=True)
        device.tell(ServicesResolved=True)

    def on_frame(self, frame: OnLink) -> None:
        """Something came over one of this adapter's links."""
        if isinstance(frame, LinkAnswer):
            answer = self._answers.get(frame.link)
            if answer is not None and not answer.done():
                answer.set_result(frame)
            return
        device = self._devices.get(frame.link)
        if device is None or device.link is None:
            return
        match frame:
            case LinkClosed():
                self.drop(device, tell=False)
            case Answer():
                device.link.on_answer(frame)
            case Notification() if device.client is not None:
                device.client.on_notification(frame.handle, frame.value)
            case ServicesChanged() if device.client is not None:
                self._bus.spawn(self._refresh(device, device.client))
            case Discover() | Read() | Write() | Subscribe() if device.client is None:
                self.server.on_request(device.link, frame)
            case _:
                pass

    def _attach(self, device: Device, name: str, mtu: int) -> Link:
        several = self._settings.speaks_over_several_channels
        device.link = Link(name, mtu, self._send, several_channels=several)
        self._devices[name] = device
        return device.link

    async def _open(self, device: Device) -> Link:
        name = uuid.uuid4().hex[:16]
        answer: asyncio.Future[LinkAnswer] = asyncio.get_running_loop().create_future()
        self._answers[name] = answer
        try:
            await asyncio.sleep(self._settings.connect_ms / 1000)
            request = LinkRequest(name, self._radio, device.address, self._settings.mtu)
            self._send(request)
            frame = await asyncio.wait_for(answer, CONNECT_SECONDS)
        except BaseException:
            self._send(LinkClosed(name))
            raise
        finally:
            del self._answers[name]
        if not frame.accepted:
            raise LinkLostError("refused")
        link = self._attach(device, name, frame.mtu)
        device.client = GattClient(self._bus, link, device.path)
        device.tell(Connected=True)
        return link

    async def _resolve(self, device: Device, link: Link) -> None:
        await asyncio.sleep(self._settings.connect_ms / 1000)
        if device.client is None or not link.is_open:
            raise LinkLostError("gone before its services were known")
        uuids = await device.client.discover()
        device.tell(UUIDs=sorted(set(uuids)))
        device.tell(ServicesResolved=True)

    async def _refresh(self, device: Device, client: GattClient) -> None:
        try:
            uuids = await client.discover()
        except (att.AttError, LinkLostError):
            self.drop(device)
            return
        device.tell(UUIDs=sorted(set(uuids)))
