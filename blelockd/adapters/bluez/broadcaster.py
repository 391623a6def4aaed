"""One LEAdvertisement1 on the air, whose manufacturer data is replaced in place.

It carries bytes and knows nothing of tokens. Registering anew after a loss is told by the roles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.defs import ADVERTISEMENT, ADVERTISING_MANAGER
from blelockd.adapters.bluez.errors import GONE, Cause, RadioDown
from blelockd.adapters.bluez.exported import (
    ABSENT,
    Interface,
    Method,
    MethodCall,
    ObjectTree,
    Property,
)

MANAGE_SECONDS: Final = 5.0
LARGEST_ADVERT_BYTES: Final = 31  # Bluetooth Core 5.4, Vol 6, Part B, 2.3.1.1
_FIELD_HEADER_BYTES: Final = 2  # length and type: Bluetooth Core 5.4, Vol 3, Part C, 11
_FLAGS_BYTES: Final = 3
_APPEARANCE_BYTES: Final = 4
_COMPANY_BYTES: Final = 2
_BASE_UUID: Final = "-0000-1000-8000-00805f9b34fb"
_ROOT: Final = "/org/blelock/advertising"
_PATH: Final = _ROOT + "/advertisement0"


@dataclass(frozen=True, slots=True)
class Advertisement:
    """All of an advertisement but its payload. The name travels in the scan response.

    `service_uuids` are 128-bit UUIDs in text, lower case; those of the Bluetooth base are sent
    short. The intervals are respected only where bluetoothd runs with --experimental.
    """

    company_id: int
    name: str | None = None
    service_uuids: tuple[str, ...] = ()
    appearance: int | None = None
    min_interval_ms: int | None = None
    max_interval_ms: int | None = None

    def size_bytes(self, payload_bytes: int) -> int:
        """How many of the 31 bytes an advert with such a payload takes."""
        short = sum(2 for uuid in self.service_uuids if _is_short(uuid))
        long = sum(16 for uuid in self.service_uuids if not _is_short(uuid))
        fields = sum(_FIELD_HEADER_BYTES + size for size in (short, long) if size)
        appearance = 0 if self.appearance is None else _APPEARANCE_BYTES
        company = _FIELD_HEADER_BYTES + _COMPANY_BYTES + payload_bytes
        return _FLAGS_BYTES + fields + appearance + company

    def check(self, payload_bytes: int) -> None:
        """Raises RadioDown(too-long) when it does not fit, before BlueZ would say only 'Failed'."""
        size = self.size_bytes(payload_bytes)
        if size > LARGEST_ADVERT_BYTES:
            raise RadioDown(
                Cause.TOO_LONG,
                f"an advert of {size} bytes does not fit the {LARGEST_ADVERT_BYTES} on the air",
            )
        name_bytes = len((self.name or "").encode())
        if _FIELD_HEADER_BYTES + name_bytes > LARGEST_ADVERT_BYTES:
            raise RadioDown(Cause.TOO_LONG, f"a name of {name_bytes} bytes does not fit an advert")


class LeBroadcaster:
    """Fulfils ports.Broadcaster on one adapter. One for each Bus: it serves a fixed path."""

    def __init__(self, controller: Controller, advertisement: Advertisement) -> None:
        self._controller = controller
        self._advertisement = advertisement
        self._tree: ObjectTree | None = None
        self._payload: bytes | None = None
        self._epoch: int | None = None

    async def broadcast(self, payload: bytes) -> None:
        """Put `payload` on the air in place of the one before. Raises RadioDown.

        The first call, and the first after a loss, registers; the others replace the data.
        """
        self._advertisement.check(len(payload))
        facts = self._controller.require_ready()
        self._payload = payload
        if self._is_registered and self._tree is not None:
            self._tree.update(_PATH, ADVERTISEMENT, ManufacturerData=self._manufacturer_data())
        else:
            await self._register(has_intervals=facts.has_monitors)

    async def silence(self) -> None:
        """Take the advertisement off the air; safe to repeat, and on a lost adapter."""
        registered, self._epoch = self._is_registered, None
        self._payload = None
        try:
            if registered:
                await self._manage("UnregisterAdvertisement", "o", _PATH)
        except RadioDown as down:
            if down.cause not in GONE:
                raise
        finally:
            if self._tree is not None:
                self._tree.remove(_PATH)

    async def alive(self) -> None:
        """Return when the advertisement is on the air. Raises RadioDown with the cause."""
        self._controller.require_ready()
        if not self._is_registered:
            raise RadioDown(Cause.RELEASED, "BlueZ dropped the advertisement")
        await self._controller.bus.ping()

    @property
    def _is_registered(self) -> bool:
        return self._epoch is not None and self._epoch == self._controller.epoch

    async def _register(self, *, has_intervals: bool) -> None:
        if self._tree is None:
            self._tree = self._controller.bus.serve(_ROOT)
        self._tree.remove(_PATH)
        self._tree.add(_PATH, self._interface(has_intervals=has_intervals))
        epoch = self._controller.epoch
        await self._manage("RegisterAdvertisement", "oa{sv}", _PATH, {})
        self._epoch = epoch

    async def _manage(self, member: str, signature: str, *body: Any) -> None:
        controller = self._controller
        await controller.bus.call(
            controller.path,
            ADVERTISING_MANAGER,
            member,
            signature,
            *body,
            timeout_seconds=MANAGE_SECONDS,
        )

    def _interface(self, *, has_intervals: bool) -> Interface:
        told = self._advertisement
        minimum, maximum = told.min_interval_ms, told.max_interval_ms
        properties = {
            "Type": Property("s", "peripheral"),
            "Discoverable": Property("b", True),  # scans without a filter skip what is not
            "ServiceUUIDs": Property("as", list(told.service_uuids)),
            "ManufacturerData": Property("a{qv}", self._manufacturer_data()),
            "LocalName": Property("s", ABSENT if told.name is None else told.name),
            "Appearance": Property("q", ABSENT if told.appearance is None else told.appearance),
            "MinInterval": Property("u", minimum if has_intervals and minimum else ABSENT),
            "MaxInterval": Property("u", maximum if has_intervals and maximum else ABSENT),
        }
        return Interface(ADVERTISEMENT, properties, {"Release": Method(self._on_release)})

    def _manufacturer_data(self) -> dict[int, Variant]:
        return {self._advertisement.company_id: Variant("ay", self._payload or b"")}

    def _on_release(self, _call: MethodCall) -> None:
        self._epoch = None


def _is_short(uuid: str) -> bool:
    text = str(UUID(uuid))
    return text.startswith("0000") and text.endswith(_BASE_UUID)
