"""One connection of the guest's to the provisioning service, through bleak.

What the issuer sends is queued, up to a bound; whatever ends the connection wakes the receiver.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from blelockd.adapters.bluez.bleak_versions import BleakClient
from blelockd.adapters.bluez.defs import LARGEST_WRITE_BYTES
from blelockd.adapters.bluez.errors import Cause, RadioDown, radio_down

STEP_SECONDS: Final = 10.0
MOST_NOTIFICATIONS_WAITING: Final = 256
_SHORT_WRITE_BYTES: Final = 128
"""Below this the MTU is too small to be worth fitting into: BlueZ sends long writes in parts."""


class GattConnection:
    """Fulfils ports.Connection. Made by GattCentral.connect()."""

    def __init__(self) -> None:
        self._client: BleakClient | None = None
        self._read_from: Any = None
        self._written_to: Any = None
        self._notifications: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._lost: RadioDown | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has ever stood."""
        return self._client is not None

    def open(self, client: BleakClient, read_from: Any, written_to: Any) -> None:
        """The connection stands; these are the characteristics that are read and written."""
        self._client = client
        self._read_from = read_from
        self._written_to = written_to

    @property
    def largest_write_bytes(self) -> int:
        """How many bytes one write carries: what the MTU takes, or where that is little, 508."""
        fitting: int = self._written_to.max_write_without_response_size
        if fitting < _SHORT_WRITE_BYTES:
            return LARGEST_WRITE_BYTES
        return min(fitting, LARGEST_WRITE_BYTES)

    async def read(self) -> bytes:
        """What the issuer lets this guest read. Raises RadioDown."""
        client = self._standing()
        try:
            async with asyncio.timeout(STEP_SECONDS):
                return bytes(await client.read_gatt_char(self._read_from))
        except Exception as error:
            raise self._failed(error, "read from the issuer") from error

    async def write(self, value: bytes) -> None:
        """Write with response. Raises RadioDown."""
        client = self._standing()
        try:
            async with asyncio.timeout(STEP_SECONDS):
                await client.write_gatt_char(self._written_to, value, response=True)
        except Exception as error:
            raise self._failed(error, "write to the issuer", may_have_arrived=True) from error

    async def receive(self) -> bytes:
        """The next notification. Raises RadioDown when the connection ends."""
        if self._lost is not None and self._notifications.empty():
            raise self._lost
        value = await self._notifications.get()
        if value is None:
            raise self._lost or _gone()
        return value

    def _standing(self) -> BleakClient:
        if self._lost is not None or self._client is None:
            raise self._lost or _gone()
        return self._client

    def _failed(self, error: Exception, doing: str, *, may_have_arrived: bool = False) -> RadioDown:
        """What `error` means. An object that is not there any more was the issuer's: trouble with
        the adapter itself has come by end().
        """
        down = radio_down(
            error, doing, otherwise=Cause.PEER_GONE, may_have_arrived=may_have_arrived
        )
        return self._lost or (_gone() if down.cause is Cause.NO_ADAPTER else down)

    def on_notification(self, _characteristic: object, value: bytearray) -> None:
        """bleak's callback."""
        if self._notifications.qsize() >= MOST_NOTIFICATIONS_WAITING:
            self.end(RadioDown(Cause.REFUSED, "the issuer sends more than can be taken"))
        else:
            self._notifications.put_nowait(bytes(value))

    def on_disconnect(self, _client: object) -> None:
        """bleak's callback."""
        self.end(_gone())

    def end(self, down: RadioDown) -> None:
        """What has arrived is still received; then `down` is raised."""
        if self._lost is None:
            self._lost = down
            self._notifications.put_nowait(None)


def _gone() -> RadioDown:
    return RadioDown(Cause.PEER_GONE, "the connection to the issuer ended", may_have_arrived=True)
