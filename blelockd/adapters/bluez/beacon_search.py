"""Which of the beacons in the air is the issuer's: by address, by name or by company id.

Pure waiting: adverts come in by a callback, the best match goes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from blelockd.adapters.bluez.bleak_versions import AdvertisementData, BLEDevice
from blelockd.services.ports import IssuerMark

BETTER_MATCH_SECONDS: Final = 1.0
"""How long to go on looking for a beacon's name or address when only its company id matched."""


class _Match(IntEnum):
    """How surely a beacon is the issuer's: the lower, the surer."""

    ADDRESS = 0
    NAME = 1
    COMPANY = 2


class BeaconSearch:
    """What one scan hears, narrowed down to the best match. `failed` are addresses to avoid, the
    latest most.
    """

    def __init__(self, mark: IssuerMark, failed: Sequence[str]) -> None:
        self._mark = mark
        self._failed = failed
        self._best: tuple[int, _Match, BLEDevice] | None = None
        self._found = asyncio.Event()
        self._sure = asyncio.Event()

    def on_advert(self, device: BLEDevice, advertisement: AdvertisementData) -> None:
        """bleak's callback."""
        match = self._match(device, advertisement)
        if match is None:
            return
        failed = self._failed
        lately = 1 + failed.index(device.address) if device.address in failed else 0
        if self._best is None or (lately, match) < self._best[:2]:
            self._best = (lately, match, device)
        self._found.set()
        if not lately and match is not _Match.COMPANY:
            self._sure.set()

    async def best(self, timeout_seconds: float) -> BLEDevice | None:
        """The best match: at once if it is sure, else after a moment; None if nothing matched."""
        if not await _within(timeout_seconds, self._found):
            return None
        await _within(min(BETTER_MATCH_SECONDS, timeout_seconds), self._sure)
        return None if self._best is None else self._best[2]

    def _match(self, device: BLEDevice, advertisement: AdvertisementData) -> _Match | None:
        mark = self._mark
        if mark.address is not None and device.address.upper() == mark.address.text:
            return _Match.ADDRESS
        if mark.name is not None and mark.name in (advertisement.local_name, device.name):
            return _Match.NAME
        if mark.company_id is not None and mark.company_id in advertisement.manufacturer_data:
            return _Match.COMPANY
        return None


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
