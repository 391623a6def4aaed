"""Hears adverts of one company id through bleak, and proves that it still would.

It delivers what it hears and judges nothing. Scans that silently stop are its business: it shows
signs of life when asked, and after a long silence it begins the scan anew.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Final

from blelockd.adapters.bluez import bleak_versions
from blelockd.adapters.bluez.bleak_versions import AdvertisementData, BleakBus, BLEDevice, Heard
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.errors import Cause, RadioDown, radio_down
from blelockd.services.ports import Sighting

STEP_SECONDS: Final = 10.0
"""The most that one step of bleak (connect, start, stop) may take."""

PROOF_SECONDS: Final = 5.0
ACTIVATION_SECONDS: Final = 3.0
SILENCE_SECONDS: Final = 120.0
IDLE_SECONDS: Final = 1.0
_NO_RSSI_DBM: Final = -127  # bleak's word for none; BlueZ's is 127

_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")  # as org.bluez.Device1 writes it

_log = logging.getLogger(__name__)


class ScanMode(StrEnum):
    """How to listen. Passive needs bluetoothd --experimental; auto is passive where that works."""

    AUTO = "auto"
    PASSIVE = "passive"
    ACTIVE = "active"


class Observer:
    """Scans on one adapter for adverts with manufacturer data of `company_id`: for all there are,
    and actively, where that is None; their payload is empty then.

    `async with observer` begins and ends the scan; alive() must be asked every few seconds
    meanwhile. Nothing else in the process may use bleak. `on_sighting` must not raise.
    """

    def __init__(
        self,
        controller: Controller,
        mode: ScanMode,
        company_id: int | None,
        on_sighting: Callable[[Sighting], None],
        *,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._controller = controller
        self._mode = mode
        self._company_id = company_id
        self._heard = self._listener(on_sighting)
        self._silence_seconds = silence_seconds
        self._scan: _Scan | None = None
        self._epoch: int | None = None
        self._callbacks = 0
        self._callbacks_before = 0
        self._heard_seconds = 0.0
        self.begun_anew = 0

    async def __aenter__(self) -> Observer:
        """Begin the scan. Raises RadioDown with the cause when it does not begin."""
        await self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the scan; on a lost adapter, too."""
        await self._stop()

    @property
    def scanning(self) -> ScanMode | None:
        """Active or passive, as the scan is that runs now; None when there is none."""
        return None if self._scan is None else self._scan.mode

    async def alive(self) -> None:
        """Return when the scan is proven to run. Raises RadioDown with the cause.

        When nothing at all has been heard for `silence_seconds`, the scan is begun anew first;
        `begun_anew` counts that.
        """
        self._controller.require_ready()
        if self._scan is None or self._epoch != self._controller.epoch:
            raise RadioDown(Cause.SCAN_STOPPED, "the scan ended with the adapter's last loss")
        await self._scan.prove()
        now_seconds = asyncio.get_running_loop().time()
        if self._callbacks != self._callbacks_before:
            self._callbacks_before, self._heard_seconds = self._callbacks, now_seconds
        elif now_seconds - self._heard_seconds >= self._silence_seconds:
            self.begun_anew += 1
            await self._stop()
            await self._start()

    async def _start(self) -> None:
        self._epoch = self._controller.epoch
        self._scan = await self._begin(self._heard)
        self._heard_seconds = asyncio.get_running_loop().time()

    async def _stop(self) -> None:
        scan, self._scan = self._scan, None
        if scan is not None:
            await scan.end()

    async def _begin(self, heard: Heard) -> _Scan:
        has_monitors = self._controller.require_ready().has_monitors
        if self._mode is ScanMode.PASSIVE and not has_monitors:
            raise RadioDown(
                Cause.NO_EXPERIMENTAL, "bluetoothd offers no passive scanning on this adapter"
            )
        may_be_passive = self._mode is not ScanMode.ACTIVE and self._company_id is not None
        if may_be_passive and has_monitors:
            try:
                return await _Scan.begin(self._controller, heard, self._company_id)
            except RadioDown as down:
                if self._mode is ScanMode.PASSIVE or self._controller.down is not None:
                    raise
                _log.warning("scanning actively: %s", down.reason)
        return await _Scan.begin(self._controller, heard, None)

    def _listener(self, on_sighting: Callable[[Sighting], None]) -> Heard:
        company_id = self._company_id

        def heard(device: BLEDevice, advertisement: AdvertisementData) -> None:
            self._callbacks += 1
            payload = _payload(advertisement, company_id)
            if payload is None:
                return
            if not _is_address(device.address):
                _log.warning("bluetoothd tells an address that is none: %.40r", device.address)
                return
            on_sighting(Sighting(payload, device.address, _rssi_dbm(advertisement.rssi)))

        return heard


def _payload(advertisement: AdvertisementData, company_id: int | None) -> bytes | None:
    return b"" if company_id is None else advertisement.manufacturer_data.get(company_id)


def _is_address(told: object) -> bool:
    """What bleak hands on as it came from the bus, of whatever type."""
    return isinstance(told, str) and _ADDRESS.fullmatch(told) is not None


def _rssi_dbm(told: object) -> int | None:
    known = type(told) is int and _NO_RSSI_DBM < told < -_NO_RSSI_DBM
    return told if known else None  # type: ignore[return-value]


class _Scan:
    """One scan of bleak's, from begin() to end()."""

    def __init__(self, controller: Controller, bus: BleakBus, *, passive: bool) -> None:
        self._controller = controller
        self._bus = bus
        self._scanner: bleak_versions.BleakScanner | None = None
        self._epoch = controller.epoch
        self._idle_since_seconds: float | None = None
        self._answers = True
        self.mode = ScanMode.PASSIVE if passive else ScanMode.ACTIVE

    @classmethod
    async def begin(cls, controller: Controller, heard: Heard, passive_for: int | None) -> _Scan:
        """Start scanning; raises RadioDown, and then nothing is left behind."""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                bus = await BleakBus.open()
                bus.keep_little()
                scan = cls(controller, bus, passive=passive_for is not None)
                scanner = bleak_versions.scanner(heard, controller.name, passive_for=passive_for)
                await scanner.start()
            bleak_versions.keep_nothing(scanner)
            scan._scanner = scanner
            if passive_for is not None:
                await scan._wait_for_activation()
        except Exception as error:
            await bleak_versions.forget_bus()
            raise controller.down or radio_down(
                error, f"scan on {controller.name}", otherwise=Cause.SCAN_STOPPED
            ) from error
        except BaseException:
            await bleak_versions.forget_bus()
            raise
        return scan

    async def end(self) -> None:
        """Stop scanning, and if that fails, drop bleak's connection, which ends every scan."""
        self._bus.detach()
        scanner, self._scanner = self._scanner, None
        try:
            same = self._epoch == self._controller.epoch and self._controller.down is None
            if scanner is not None and same and self._answers and self._bus.connected:
                async with asyncio.timeout(STEP_SECONDS):
                    await scanner.stop()
                return
        except Exception as error:  # noqa: BLE001 - bleak's versions differ in what they raise
            _log.debug("the scan did not stop: %r", error)
        await bleak_versions.forget_bus()

    async def prove(self) -> None:
        """Raises RadioDown unless every sign says that the scan runs."""
        self._answers = False
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                await self._bus.ping_bluez()
        except Exception as error:
            raise radio_down(error, "ask bluetoothd", otherwise=Cause.NO_BUS) from error
        self._answers = True
        self._bus.forget_removed()
        if self.mode is ScanMode.PASSIVE:
            if not self._bus.monitor_is_active.is_set():
                raise RadioDown(Cause.SCAN_STOPPED, "bluetoothd released the scan")
            return
        if self._controller.require_ready().discovering:
            self._idle_since_seconds = None
            return
        now_seconds = asyncio.get_running_loop().time()
        if self._idle_since_seconds is None:  # the property follows the scan by a moment
            self._idle_since_seconds = now_seconds
        elif now_seconds - self._idle_since_seconds >= IDLE_SECONDS:
            raise RadioDown(Cause.SCAN_STOPPED, "bluetoothd does not scan any more")

    async def _wait_for_activation(self) -> None:
        try:
            async with asyncio.timeout(ACTIVATION_SECONDS):
                await self._bus.monitor_is_active.wait()
        except TimeoutError as error:
            raise RadioDown(
                Cause.SCAN_STOPPED, "bluetoothd did not activate the passive scan"
            ) from error
