"""AdvertisementMonitorManager1: passive scanning for patterns, of one adapter.

Only with --experimental. A monitor's object tells its patterns; the first advert of a device that
matches is told to it with DeviceFound.
BlueZ doc/org.bluez.AdvertisementMonitorManager.rst, src/adv_monitor.c
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from blelockd.adapters.bluez.exported import DBusFault, Interface, Method, MethodCall, Property
from blelockd.virtual import advertising_data
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.names import MONITOR, MONITOR_MANAGER, refused

OR_PATTERNS: Final = "or_patterns"


@dataclass(frozen=True, slots=True)
class Pattern:
    """These bytes at this offset of a structure of this type."""

    start: int
    kind: int
    content: bytes

    def matches(self, structures: list[tuple[int, bytes]]) -> bool:
        """Whether one of the structures holds the pattern."""
        end = self.start + len(self.content)
        return any(
            kind == self.kind and value[self.start : end] == self.content
            for kind, value in structures
        )


@dataclass(slots=True)
class _Monitor:
    patterns: tuple[Pattern, ...]
    found: set[str] = field(default_factory=set)  # device paths


class Monitors:
    """The monitors of one adapter. `on_change` hears when the first comes and the last goes."""

    def __init__(self, bus: BluezBus, on_change: Callable[[], None]) -> None:
        self._bus = bus
        self._on_change = on_change
        self._roots: set[tuple[str, str]] = set()
        self._monitors: dict[tuple[str, str], _Monitor] = {}

    def interface(self) -> Interface:
        """The AdvertisementMonitorManager1 of this adapter."""
        properties = {
            "SupportedMonitorTypes": Property("as", [OR_PATTERNS]),
            "SupportedFeatures": Property("as", []),
        }
        methods = {
            "RegisterMonitor": Method(self._register, "o"),
            "UnregisterMonitor": Method(self._unregister, "o"),
        }
        return Interface(MONITOR_MANAGER, properties, methods)

    def __bool__(self) -> bool:
        return bool(self._monitors)

    def matches(self, data: bytes) -> bool:
        """Whether any monitor wants this advert."""
        if not self._monitors:
            return False
        structures = advertising_data.split(data)
        return any(
            pattern.matches(structures)
            for monitor in self._monitors.values()
            for pattern in monitor.patterns
        )

    def found(self, device_path: str, data: bytes) -> None:
        """Tell the monitors that match `data` of this device, each of them once."""
        structures = advertising_data.split(data)
        for (owner, path), monitor in self._monitors.items():
            if device_path not in monitor.found and any(
                pattern.matches(structures) for pattern in monitor.patterns
            ):
                monitor.found.add(device_path)
                self._bus.tell(owner, path, MONITOR, "DeviceFound", "o", device_path)

    def lost(self, device_path: str) -> None:
        """The device has not been heard for too long."""
        for (owner, path), monitor in self._monitors.items():
            if device_path in monitor.found:
                monitor.found.discard(device_path)
                self._bus.tell(owner, path, MONITOR, "DeviceLost", "o", device_path)

    def on_added(self, owner: str, path: str, interfaces: Mapping[str, Any]) -> None:
        """A client exported one more object: perhaps a monitor below a registered root."""
        if MONITOR in interfaces and any(
            owner == who and path.startswith(root) for who, root in self._roots
        ):
            self._activate(owner, path, interfaces[MONITOR])

    def owner_gone(self, owner: str) -> None:
        """Forget a dead client's monitors."""
        self._roots = {root for root in self._roots if root[0] != owner}
        self._forget([key for key in self._monitors if key[0] == owner])

    def close(self) -> None:
        """The adapter is gone: release every monitor."""
        for owner, path in self._monitors:
            self._bus.tell(owner, path, MONITOR, "Release")
        self._roots.clear()
        self._monitors.clear()

    async def _register(self, call: MethodCall) -> None:
        root = call.sender, str(call.args[0])
        if root in self._roots:
            raise refused("AlreadyExists")
        self._roots.add(root)
        await self._bus.follow(call.sender)
        self._bus.spawn(self._look(*root))

    async def _look(self, owner: str, root: str) -> None:
        for path, interfaces in (await self._bus.objects(owner, root)).items():
            if MONITOR in interfaces:
                self._activate(owner, path, interfaces[MONITOR])

    def _unregister(self, call: MethodCall) -> None:
        root = call.sender, str(call.args[0])
        if root not in self._roots:
            raise refused("DoesNotExist")
        self._roots.discard(root)
        self._forget([k for k in self._monitors if k[0] == root[0] and k[1].startswith(root[1])])

    def _activate(self, owner: str, path: str, properties: Mapping[str, Any]) -> None:
        if (owner, path) in self._monitors:
            return
        try:
            patterns = tuple(
                Pattern(int(start), int(kind), bytes(content))
                for start, kind, content in properties["Patterns"]
            )
            is_sound = properties["Type"] == OR_PATTERNS and bool(patterns)
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            self._bus.tell(owner, path, MONITOR, "Release")
            return
        self._monitors[owner, path] = _Monitor(patterns)
        self._bus.spawn(self._tell_active(owner, path))
        self._on_change()

    async def _tell_active(self, owner: str, path: str) -> None:
        try:
            await self._bus.call(owner, path, MONITOR, "Activate")
        except (DBusFault, TimeoutError):
            self._forget([key for key in self._monitors if key == (owner, path)])

    def _forget(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            del self._monitors[key]
        if keys:
            self._on_change()
