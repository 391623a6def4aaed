"""What bleak keeps of bluetoothd's objects, bounded: it has some 2 KiB for each device there is.

bluetoothd forgets a device when it was silent for 30 s. Until then whoever advertises under ever
new addresses, a thousand a second, would fill 60 MiB here. Of the devices that were longest silent
only the signal strength is kept; the rest, which their path tells, is made anew when they speak.
"""

from __future__ import annotations

import re
from typing import Any, Final

from blelockd.adapters.bluez.defs import DEVICE

MOST_WHOLE: Final = 1024
MOST_FAINT: Final = 32_768

_DEVICE_PATH: Final = re.compile(r"(/org/bluez/hci[0-9]+)/dev((?:_[0-9A-F]{2}){6})")
_NO_RSSI: Final = -128

Interfaces = dict[str, dict[str, Any]]


class BoundedObjects(dict[str, Interfaces]):
    """In the place of the dict of bleak's that has all objects by their path.

    At most `MOST_WHOLE` devices are whole, `MOST_FAINT` more can be made anew; one that is not even
    faint is not heard until bluetoothd has forgotten it, or it has another address.
    """

    def __init__(self, objects: dict[str, Interfaces]) -> None:
        super().__init__()
        self._whole: dict[str, None] = {}
        """Devices, the one longest silent first."""
        self._faint: dict[int, int] = {}
        """Signal strength in dBm by adapter and address, as one number."""
        for path, interfaces in objects.items():
            self[path] = interfaces

    def __setitem__(self, path: str, interfaces: Interfaces) -> None:
        super().__setitem__(path, interfaces)
        if _DEVICE_PATH.fullmatch(path):
            self._speaks(path)
            while len(self._whole) > MOST_WHOLE:
                self._fade(next(iter(self._whole)))

    def __getitem__(self, path: str) -> Interfaces:
        if path in self._whole:
            self._speaks(path)
        return super().__getitem__(path)

    def __missing__(self, path: str) -> Interfaces:
        found = _DEVICE_PATH.fullmatch(path)
        rssi = None if found is None else self._faint.pop(_number(path), None)
        if found is None or rssi is None:
            raise KeyError(path)
        adapter, address = found[1], found[2][1:]
        known: dict[str, Any] = {
            "Adapter": adapter,
            "Address": address.replace("_", ":"),
            "Alias": address.replace("_", "-"),
        }
        if rssi != _NO_RSSI:
            known["RSSI"] = rssi
        self[path] = interfaces = {DEVICE: known}
        return interfaces

    def __delitem__(self, path: str) -> None:
        self._whole.pop(path, None)
        super().__delitem__(path)

    def setdefault(self, path: str, default: Interfaces | None = None) -> Interfaces:
        """As of any dict; what was faint is told whole again."""
        if path not in self:
            if self._faint and _DEVICE_PATH.fullmatch(path):
                self._faint.pop(_number(path), None)
            self[path] = {} if default is None else default
        return self[path]

    def clear(self) -> None:
        """As of any dict."""
        super().clear()
        self._whole.clear()
        self._faint.clear()

    def _speaks(self, path: str) -> None:
        self._whole.pop(path, None)
        self._whole[path] = None

    def _fade(self, path: str) -> None:
        rssi = self.pop(path).get(DEVICE, {}).get("RSSI")
        del self._whole[path]
        self._faint[_number(path)] = rssi if type(rssi) is int and abs(rssi) < 128 else _NO_RSSI
        if len(self._faint) > MOST_FAINT:
            del self._faint[next(iter(self._faint))]


def _number(path: str) -> int:
    """Of a device's path: a number takes half the room of an address."""
    adapter, _, address = path.removeprefix("/org/bluez/hci").partition("/dev_")
    return int(adapter) << 48 | int(address.replace("_", ""), 16)
