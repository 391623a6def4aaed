"""The notifying half of one characteristic: who has subscribed, and frames on their way to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from blelockd.adapters.bluez.defs import ERROR_NOT_PERMITTED
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.bluez.exported import (
    ABSENT,
    DBusFault,
    Method,
    MethodCall,
    Property,
    Reply,
)
from blelockd.adapters.bluez.gatt_application import GattApplication, mtu_of
from blelockd.adapters.bluez.gatt_notify import NotificationSockets

_FRAMES_PER_PING: Final = 16


class Notifier:
    """Notifications of the characteristic at `path`. One answer at a time over the adapter.

    With `sockets` off they go to bluetoothd as signals; never as broadcasts.
    """

    def __init__(self, application: GattApplication, path: str, *, sockets: bool = True) -> None:
        self._application = application
        self._path = path
        self._sockets = NotificationSockets()
        self._has_started_notify = False
        self._notifying = asyncio.Lock()
        self._value = Property("ay", ABSENT)
        self._acquired = Property("b", (lambda: bool(self._sockets)) if sockets else ABSENT)

    def properties(self) -> Mapping[str, Property]:
        """What the characteristic has for its subscribers."""
        return {"Value": self._value, "NotifyAcquired": self._acquired}

    def methods(self) -> Mapping[str, Method]:
        """What BlueZ calls when somebody subscribes."""
        return {
            "AcquireNotify": Method(self._on_acquire_notify, "a{sv}", "hq"),
            "StartNotify": Method(self._on_start_notify),
            "StopNotify": Method(self._on_stop_notify),
        }

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """Send `frames` in order, to that device as far as BlueZ can address one.

        BlueZ cuts a frame at the connection's MTU - 3, and at 512 bytes. Below 5.80 it tells
        every subscriber; from then on only the device itself. Raises RadioDown.
        """
        async with self._notifying:
            if await self._sockets.send(device, frames):
                return
            if not self._has_started_notify:
                raise RadioDown(Cause.NOBODY_SUBSCRIBED, "no guest is subscribed to the answer")
            await self._signal(frames)

    def forget(self) -> None:
        """Nobody is subscribed any more."""
        self._sockets.close()
        self._has_started_notify = False

    async def _signal(self, frames: Sequence[bytes]) -> None:
        try:
            for count, frame in enumerate(frames, start=1):
                self._application.publish(self._path, Value=frame)
                if count % _FRAMES_PER_PING == 0:
                    await self._application.ping()
        finally:
            self._value.value = ABSENT

    def _on_acquire_notify(self, call: MethodCall) -> Reply:
        options = call.args[0]
        unix_fd = self._sockets.acquire(self._application.device(options))
        if unix_fd is None:
            raise DBusFault(ERROR_NOT_PERMITTED, "too many subscribers")
        return Reply((0, mtu_of(options)), (unix_fd,))

    def _on_start_notify(self, _call: MethodCall) -> None:
        self._has_started_notify = True

    def _on_stop_notify(self, _call: MethodCall) -> None:
        self._has_started_notify = False
