"""Adapter1's discovery: who scans actively, and which adverts their filters let through.

BlueZ doc/org.bluez.Adapter.rst, src/adapter.c: is_filter_match, device_is_discoverable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from blelockd.adapters.bluez.exported import Method, MethodCall, Reply
from blelockd.virtual import advertising_data
from blelockd.virtual.names import refused
from blelockd.virtual.settings import Settings

_DISCOVERABLE = advertising_data.GENERAL_DISCOVERABLE | advertising_data.LIMITED_DISCOVERABLE


@dataclass(frozen=True, slots=True)
class Filter:
    """One client's SetDiscoveryFilter."""

    uuids: frozenset[str] = frozenset()
    rssi_dbm: int | None = None
    pathloss_db: int | None = None
    pattern: str | None = None
    wants_duplicates: bool = True

    @staticmethod
    def parse(values: Mapping[str, Any]) -> Filter | None:
        """The filter, or None for an empty one, which clears. Raises ValueError, TypeError."""
        if not values:
            return None
        if "RSSI" in values and "Pathloss" in values:
            raise ValueError("RSSI and Pathloss exclude each other")
        return Filter(
            frozenset(advertising_data.full_uuid(text) for text in values.get("UUIDs", ())),
            values.get("RSSI"),
            values.get("Pathloss"),
            values.get("Pattern"),
            bool(values.get("DuplicateData", False)),
        )

    @property
    def is_empty(self) -> bool:
        """Whether it only chooses the transport or the duplicates."""
        return not self.uuids and (self.rssi_dbm, self.pathloss_db, self.pattern) == (None,) * 3

    def matches(self, address: str, rssi_dbm: int, advert: Mapping[str, Any]) -> bool:
        """Whether this client wants the advert."""
        if self.uuids and not self.uuids & set(advert.get("UUIDs", ())):
            return False
        if self.rssi_dbm is not None and rssi_dbm < self.rssi_dbm:
            return False
        if self.pathloss_db is not None and (
            "TxPower" not in advert or advert["TxPower"] - rssi_dbm > self.pathloss_db
        ):
            return False
        return not self.pattern or (
            address.startswith(self.pattern) or str(advert.get("Name", "")).startswith(self.pattern)
        )


class Discovery:
    """The discovery sessions of one adapter. `on_change` hears when the first or last is over."""

    def __init__(
        self, is_powered: Callable[[], bool], on_change: Callable[[], None], settings: Settings
    ) -> None:
        self._is_powered = is_powered
        self._on_change = on_change
        self._settings = settings
        self._filters: dict[str, Filter] = {}
        self._discoverers: set[str] = set()

    def methods(self) -> dict[str, Method]:
        """Adapter1's methods that are about discovery."""
        return {
            "StartDiscovery": Method(self._start),
            "StopDiscovery": Method(self._stop),
            "SetDiscoveryFilter": Method(self._set_filter, "a{sv}"),
            "GetDiscoveryFilters": Method(_filters, "", "as"),
        }

    def __bool__(self) -> bool:
        return bool(self._discoverers)

    @property
    def wants_duplicates(self) -> bool:
        """Whether an unchanged payload is told again."""
        filters = (self._filters.get(owner) for owner in self._discoverers)
        return any(each is not None and each.wants_duplicates for each in filters)

    @property
    def is_filtered(self) -> bool:
        """Whether every session has a filter; without, the flags decide and RSSI is told rarely."""
        return not any(
            each is None or (self._settings.empty_filter_is_no_filter and each.is_empty)
            for each in map(self._filters.get, self._discoverers)
        )

    def lets_through(self, address: str, rssi_dbm: int, advert: Mapping[str, Any]) -> bool:
        """Whether discovery reports this advert."""
        if not self._discoverers:
            return False
        filters = [self._filters.get(owner) for owner in self._discoverers]
        if not self.is_filtered:
            flags = advert.get("AdvertisingFlags", b"\0")
            return bool(flags[0] & _DISCOVERABLE)
        return any(each is None or each.matches(address, rssi_dbm, advert) for each in filters)

    def owner_gone(self, owner: str) -> None:
        """A dead client scans no more."""
        self._filters.pop(owner, None)
        self._end(owner)

    def clear(self) -> None:
        """The controller is off: all sessions are over."""
        if self._discoverers:
            self._discoverers.clear()
            self._on_change()

    def _check_power(self) -> None:
        if not self._is_powered():
            raise refused("NotReady")

    def _set_filter(self, call: MethodCall) -> None:
        self._check_power()
        try:
            chosen = Filter.parse(call.args[0])
        except (ValueError, TypeError):
            raise refused("InvalidArguments") from None
        if chosen is None:
            self._filters.pop(call.sender, None)
        else:
            self._filters[call.sender] = chosen

    def _start(self, call: MethodCall) -> None:
        self._check_power()
        if call.sender in self._discoverers:
            raise refused("InProgress")
        self._discoverers.add(call.sender)
        self._on_change()

    def _stop(self, call: MethodCall) -> None:
        self._check_power()
        if call.sender not in self._discoverers:
            raise refused("Failed", "No discovery started")
        self._end(call.sender)

    def _end(self, owner: str) -> None:
        if owner in self._discoverers:
            self._discoverers.discard(owner)
            self._on_change()


def _filters(_call: MethodCall) -> Reply:
    names = ["UUIDs", "RSSI", "Pathloss", "Transport", "DuplicateData", "Discoverable", "Pattern"]
    return Reply((names,))
