"""The names by which BlueZ and the bus are addressed, each under the page that defines it. No code.

The pages of BlueZ are below https://github.com/bluez/bluez/blob/master/doc/.
"""

from __future__ import annotations

from typing import Final

# https://dbus.freedesktop.org/doc/dbus-specification.html#message-bus-messages
BUS_NAME: Final = "org.freedesktop.DBus"
BUS_PATH: Final = "/org/freedesktop/DBus"
BUS_INTERFACE: Final = "org.freedesktop.DBus"
NAME_OWNER_CHANGED: Final = "NameOwnerChanged"

# https://dbus.freedesktop.org/doc/dbus-specification.html#standard-interfaces
PEER: Final = "org.freedesktop.DBus.Peer"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES_CHANGED: Final = "PropertiesChanged"
INTERFACES_ADDED: Final = "InterfacesAdded"
INTERFACES_REMOVED: Final = "InterfacesRemoved"

BLUEZ: Final = "org.bluez"
BLUEZ_ROOT: Final = "/org/bluez"

# org.bluez.Adapter.rst, org.bluez.Device.rst
ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"

# org.bluez.LEAdvertisingManager.rst, org.bluez.LEAdvertisement.rst
ADVERTISING_MANAGER: Final = "org.bluez.LEAdvertisingManager1"
ADVERTISEMENT: Final = "org.bluez.LEAdvertisement1"

# org.bluez.AdvertisementMonitorManager.rst, org.bluez.AdvertisementMonitor.rst
MONITOR_MANAGER: Final = "org.bluez.AdvertisementMonitorManager1"
MONITOR: Final = "org.bluez.AdvertisementMonitor1"

# org.bluez.GattManager.rst, org.bluez.GattService.rst, org.bluez.GattCharacteristic.rst
GATT_MANAGER: Final = "org.bluez.GattManager1"
GATT_SERVICE: Final = "org.bluez.GattService1"
GATT_CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"

# org.bluez.GattCharacteristic.rst: the errors that ReadValue and WriteValue may answer
ERROR_IN_PROGRESS: Final = "org.bluez.Error.InProgress"
ERROR_INVALID_OFFSET: Final = "org.bluez.Error.InvalidOffset"
ERROR_INVALID_LENGTH: Final = "org.bluez.Error.InvalidValueLength"
ERROR_NOT_PERMITTED: Final = "org.bluez.Error.NotPermitted"

LARGEST_ATTRIBUTE_BYTES: Final = 512  # Bluetooth Core 5.4, Vol 3, Part F, 3.2.9
# BlueZ below 5.69 refuses more: it counts handle and offset as part of a value (seen on 5.66).
LARGEST_WRITE_BYTES: Final = LARGEST_ATTRIBUTE_BYTES - 4
LEAST_MTU: Final = 23  # Bluetooth Core 5.4, Vol 3, Part G, 5.2.1
LARGEST_MTU: Final = 517  # BlueZ: BT_ATT_MAX_LE_MTU, what a 512-byte attribute needs
ATT_HEADER_BYTES: Final = 3  # opcode and handle: Bluetooth Core 5.4, Vol 3, Part F, 3.4.7.1


def adapter_path(name: str) -> str:
    """The object path of the adapter `hciN`."""
    return f"{BLUEZ_ROOT}/{name}"
