"""The D-Bus names that BlueZ answers to, and the errors that it answers with.

https://git.kernel.org/pub/scm/bluetooth/bluez.git/tree/doc (one file per interface)
"""

from __future__ import annotations

from typing import Final

from blelockd.adapters.bluez.objects import DBusFault

BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
ADVERTISEMENT: Final = "org.bluez.LEAdvertisement1"
ADVERTISING_MANAGER: Final = "org.bluez.LEAdvertisingManager1"
AGENT_MANAGER: Final = "org.bluez.AgentManager1"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
DESCRIPTOR: Final = "org.bluez.GattDescriptor1"
DEVICE: Final = "org.bluez.Device1"
GATT_MANAGER: Final = "org.bluez.GattManager1"
MONITOR: Final = "org.bluez.AdvertisementMonitor1"
MONITOR_MANAGER: Final = "org.bluez.AdvertisementMonitorManager1"
SERVICE: Final = "org.bluez.GattService1"

_TEXTS: Final = {
    "AlreadyExists": "Already Exists",
    "DoesNotExist": "Does Not Exist",
    "InProgress": "Operation already in progress",
    "InvalidArguments": "Invalid arguments in method call",
    "NotConnected": "Not Connected",
    "NotReady": "Resource Not Ready",
    "NotSupported": "Operation is not supported",
}


def refused(name: str, text: str = "") -> DBusFault:
    """BlueZ's own error of this short name, with BlueZ's own words when `text` is empty."""
    return DBusFault(f"org.bluez.Error.{name}", text or _TEXTS.get(name, name))
