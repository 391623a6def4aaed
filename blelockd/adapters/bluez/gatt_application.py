"""Services of ours at BlueZ's GattManager1: registered, watched, taken down.

It knows no characteristic: those who serve one bring its interface, and read here who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.defs import (
    ATT_HEADER_BYTES,
    ERROR_INVALID_LENGTH,
    ERROR_INVALID_OFFSET,
    ERROR_NOT_PERMITTED,
    GATT_CHARACTERISTIC,
    GATT_MANAGER,
    GATT_SERVICE,
    LARGEST_ATTRIBUTE_BYTES,
    LARGEST_MTU,
    LEAST_MTU,
)
from blelockd.adapters.bluez.errors import GONE, Cause, RadioDown
from blelockd.adapters.bluez.exported import (
    DBusFault,
    Interface,
    Method,
    MethodCall,
    ObjectTree,
    Property,
)
from blelockd.services.ports import CharacteristicWrite

MANAGE_SECONDS: Final = 5.0

Options = Mapping[str, Any]
Objects = Mapping[str, Interface]


class GattApplication:
    """One registered application below `root`, whose objects `build` makes once."""

    def __init__(self, controller: Controller, root: str, build: Callable[[], Objects]) -> None:
        self._controller = controller
        self._root = root
        self._build = build
        self._tree: ObjectTree | None = None
        self._epoch: int | None = None

    async def register(self) -> None:
        """Register with BlueZ. Raises RadioDown."""
        if self._tree is None:
            self._tree = self._controller.bus.serve(self._root)
            for path, interface in self._build().items():
                self._tree.add(path, interface)
        epoch = self._controller.epoch
        await self._manage("RegisterApplication", "oa{sv}", self._root, {})
        self._epoch = epoch

    async def unregister(self) -> None:
        """Unregister. Safe to repeat, and on a lost adapter."""
        registered, self._epoch = self._is_registered, None
        try:
            if registered:
                await self._manage("UnregisterApplication", "o", self._root)
        except RadioDown as down:
            if down.cause not in GONE:
                raise

    async def alive(self) -> None:
        """Return when the application is registered. Raises RadioDown with the cause."""
        self._controller.require_ready()
        if not self._is_registered:
            raise RadioDown(Cause.RELEASED, "the provisioning service is not registered")
        await self._controller.bus.ping()

    def publish(self, path: str, **values: Any) -> None:
        """Tell BlueZ of new values of the characteristic at `path`."""
        assert self._tree is not None
        self._tree.publish(path, GATT_CHARACTERISTIC, **values)

    async def ping(self) -> None:
        """Return when the bus has answered. Raises RadioDown."""
        await self._controller.bus.ping()

    @property
    def _is_registered(self) -> bool:
        return self._epoch is not None and self._epoch == self._controller.epoch

    async def _manage(self, member: str, signature: str, *body: Any) -> None:
        controller = self._controller
        await controller.bus.call(
            controller.path,
            GATT_MANAGER,
            member,
            signature,
            *body,
            timeout_seconds=MANAGE_SECONDS,
        )

    # --- who asks ------------------------------------------------------------------------------

    def device(self, options: Options) -> str:
        """The path of the device that asks; raises DBusFault when it is none of this adapter."""
        device = str(options.get("device", ""))
        if not device.startswith(f"{self._controller.path}/"):
            raise DBusFault(ERROR_NOT_PERMITTED, "the device is unknown")
        return device

    def written(self, call: MethodCall) -> CharacteristicWrite | None:
        """What a call of WriteValue brings; None for one that only asks whether it may.

        The MTU is told as at most 515: three more than any notification can carry. Raises
        DBusFault.
        """
        value, options = bytes(call.args[0]), call.args[1]
        if options.get("prepare-authorize"):
            return None
        if options.get("offset", 0) != 0:
            raise DBusFault(ERROR_INVALID_OFFSET, "a value is written whole")
        if len(value) > LARGEST_ATTRIBUTE_BYTES:
            raise DBusFault(ERROR_INVALID_LENGTH, "a value has at most 512 bytes")
        mtu = min(mtu_of(options, LEAST_MTU), LARGEST_ATTRIBUTE_BYTES + ATT_HEADER_BYTES)
        return CharacteristicWrite(self.device(options), value, mtu)


def service(uuid: str) -> Interface:
    """A primary service."""
    return Interface(GATT_SERVICE, {"UUID": Property("s", uuid), "Primary": Property("b", True)})


def characteristic(
    uuid: str,
    service_path: str,
    flags: Sequence[str],
    properties: Mapping[str, Property],
    methods: Mapping[str, Method],
) -> Interface:
    """A characteristic of that service."""
    common = {
        "UUID": Property("s", uuid),
        "Service": Property("o", service_path),
        "Flags": Property("as", list(flags)),
    }
    return Interface(GATT_CHARACTERISTIC, {**common, **properties}, methods)


def rest_of(value: bytes, offset: int) -> bytes:
    """What is left of `value` to be read from `offset` on; raises DBusFault."""
    if offset > len(value):
        raise DBusFault(ERROR_INVALID_OFFSET, "there is no more to read")
    return value[offset:]


def mtu_of(options: Options, otherwise: int = LARGEST_MTU) -> int:
    """The MTU of the connection, where BlueZ tells it."""
    mtu = options.get("mtu")
    if isinstance(mtu, int) and LEAST_MTU <= mtu <= LARGEST_MTU:
        return mtu
    return otherwise
