"""Advertising data as BlueZ lays it out, and cuts it into advert and scan response. Pure.

Bluetooth Core Specification Supplement, part A; BlueZ 5.66 src/shared/ad.c, src/advertising.c;
the kernel's net/bluetooth/eir.c for the flags.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping
from typing import Any, Final

BASE_SUFFIX: Final = "-0000-1000-8000-00805f9b34fb"
LEGACY_BYTES: Final = 31

FLAGS: Final = 0x01
UUIDS_16: Final = (0x02, 0x03)
UUIDS_128: Final = (0x06, 0x07)
NAMES: Final = (0x08, 0x09)
TX_POWER: Final = 0x0A
SERVICE_DATA_16: Final = 0x16
APPEARANCE: Final = 0x19
SERVICE_DATA_128: Final = 0x21
MANUFACTURER: Final = 0xFF

GENERAL_DISCOVERABLE: Final = 0x02
LIMITED_DISCOVERABLE: Final = 0x01
NO_BREDR: Final = 0x04


class TooLongError(ValueError):
    """The advert does not fit: BlueZ answers org.bluez.Error.Failed."""


def structure(kind: int, value: bytes) -> bytes:
    """One advertising data structure."""
    if len(value) > 254:
        raise TooLongError(f"a structure of {len(value)} bytes")
    return bytes((len(value) + 1, kind)) + value


def split(data: bytes) -> list[tuple[int, bytes]]:
    """The structures in `data` as (type, value); what is cut short ends the list."""
    found, at = [], 0
    while at < len(data) and data[at] and at + data[at] < len(data):
        found.append((data[at + 1], data[at + 2 : at + 1 + data[at]]))
        at += 1 + data[at]
    return found


def full_uuid(text: str) -> str:
    """A UUID in BlueZ's spelling, from any length of it."""
    digits = text if len(text) > 8 else text.removeprefix("0x").rjust(8, "0") + BASE_SUFFIX
    return str(uuid.UUID(digits))


def build(
    properties: Mapping[str, Any],
    *,
    discoverable: bool,
    name: str,
    appearance: int,
    tx_power_dbm: int = 0,
    limit: int = LEGACY_BYTES,
) -> tuple[bytes, bytes]:
    """(advert, scan response) of an LEAdvertisement1's plain properties.

    `discoverable`, `name` and `appearance` are the adapter's, for what the advert leaves to it.
    Raises TooLongError, or ValueError for what is no UUID or no byte array.
    """
    includes = properties.get("Includes", ())
    data = _flags(properties, discoverable) + _uuids(properties.get("ServiceUUIDs", ()))
    for company, payload in properties.get("ManufacturerData", {}).items():
        data += structure(MANUFACTURER, struct.pack("<H", company) + bytes(payload))
    for service, payload in properties.get("ServiceData", {}).items():
        data += _service_data(service, bytes(payload))
    if "Appearance" in properties:
        data += structure(APPEARANCE, struct.pack("<H", properties["Appearance"]))
    elif "appearance" in includes:
        data += structure(APPEARANCE, struct.pack("<H", appearance))
    if "tx-power" in includes:
        data += structure(TX_POWER, struct.pack("b", tx_power_dbm))
    for kind, payload in properties.get("Data", {}).items():
        data += structure(kind, bytes(payload))
    if "local-name" in includes:
        response = _name(name, limit)
    else:
        response = _name(properties["LocalName"], limit) if properties.get("LocalName") else b""
    if len(data) > limit:
        raise TooLongError(f"{len(data)} bytes of advertising data, {limit} allowed")
    return data, response


def _flags(properties: Mapping[str, Any], adapter_discoverable: bool) -> bytes:
    if properties.get("Type", "peripheral") != "peripheral":
        return b""
    if not properties.get("Discoverable", adapter_discoverable):
        return b""
    return structure(FLAGS, bytes((NO_BREDR | GENERAL_DISCOVERABLE,)))


def _uuids(uuids: Any) -> bytes:
    short, long = b"", b""
    for text in uuids:
        full = full_uuid(text)
        if full.endswith(BASE_SUFFIX) and full.startswith("0000"):
            short += uuid.UUID(full).bytes[2:4][::-1]
        else:
            long += uuid.UUID(full).bytes[::-1]
    return (structure(UUIDS_16[1], short) if short else b"") + (
        structure(UUIDS_128[1], long) if long else b""
    )


def _service_data(service: str, payload: bytes) -> bytes:
    full = full_uuid(service)
    if full.endswith(BASE_SUFFIX) and full.startswith("0000"):
        return structure(SERVICE_DATA_16, uuid.UUID(full).bytes[2:4][::-1] + payload)
    return structure(SERVICE_DATA_128, uuid.UUID(full).bytes[::-1] + payload)


def _name(name: str, limit: int) -> bytes:
    """The complete name, or as much of it as fits, marked short: BlueZ does not refuse it."""
    encoded = name.encode()
    if len(encoded) + 2 > limit:
        return structure(NAMES[0], encoded[: limit - 2])
    return structure(NAMES[1], encoded)


def parse(data: bytes) -> dict[str, Any]:
    """Advertising data as plain Device1 properties; what is malformed is left out."""
    found: dict[str, Any] = {}
    uuids: list[str] = []
    for kind, value in split(data):
        if kind == MANUFACTURER and len(value) >= 2:
            company = int.from_bytes(value[:2], "little")
            found.setdefault("ManufacturerData", {})[company] = value[2:]
        elif kind == FLAGS and value:
            found["AdvertisingFlags"] = value
        elif kind in UUIDS_16:
            uuids += [_short(value[at : at + 2]) for at in range(0, len(value) - 1, 2)]
        elif kind in UUIDS_128:
            uuids += [_long(value[at : at + 16]) for at in range(0, len(value) - 15, 16)]
        elif kind in NAMES:
            found["Name"] = _heard_name(value)
        elif kind == TX_POWER and len(value) == 1:
            found["TxPower"] = struct.unpack("b", value)[0]
        elif kind == APPEARANCE and len(value) == 2:
            found["Appearance"] = int.from_bytes(value, "little")
        elif kind == SERVICE_DATA_16 and len(value) >= 2:
            found.setdefault("ServiceData", {})[_short(value[:2])] = value[2:]
        elif kind == SERVICE_DATA_128 and len(value) >= 16:
            found.setdefault("ServiceData", {})[_long(value[:16])] = value[16:]
    if uuids:
        found["UUIDs"] = uuids
    return found


def _heard_name(raw: bytes) -> str:
    """As BlueZ takes it (src/eir.c, name2utf8): D-Bus takes no NUL and nothing but UTF-8."""
    try:
        if b"\0" not in raw:
            return raw.decode()
    except UnicodeDecodeError:
        pass
    ascii_alone = bytes(each if each < 0x80 else 0x20 for each in raw.split(b"\0", 1)[0])
    return ascii_alone.decode("ascii").strip()


def _short(value: bytes) -> str:
    return f"0000{int.from_bytes(value, 'little'):04x}{BASE_SUFFIX}"


def _long(value: bytes) -> str:
    return str(uuid.UUID(bytes=value[::-1]))
