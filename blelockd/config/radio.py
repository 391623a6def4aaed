"""What issuer and guest say of their advertisements and of the GATT service between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from blelockd.config.bluetooth_kinds import ServiceUuid, short_uuid, sixteen_bits, uuid
from blelockd.config.errors import Conflict
from blelockd.config.kinds import ListOf, or_off, whole
from blelockd.config.options import option

SEED_COMPANY_ID: Final = 0xFFFF  # docs/protocol.md, v1: what the seed's programs advertise under
SEED_APPEARANCE: Final = 0x0340
SEED_SERVICE: Final = ServiceUuid("0000180d-0000-1000-8000-00805f9b34fb")

LARGEST_ADVERT_BYTES: Final = 31  # Bluetooth Core Vol 6, Part B, 2.3.1.3: legacy advertising
LONGEST_NAME_BYTES: Final = 29  # the name goes to the scan response, behind a 2-byte header
_FLAGS_BYTES: Final = 3
_APPEARANCE_BYTES: Final = 4
_MANUFACTURER_HEADER_BYTES: Final = 4

SERVICE_UUIDS: Final = ListOf(uuid(), 0, 8, "a list of at most 8 service UUIDs")
INTERVAL_MS: Final = whole(20, 10240, "milliseconds")  # Bluetooth Core Vol 6, Part B, 4.4.2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertConfig:
    """What every advertisement of ours has."""

    service_uuids: tuple[ServiceUuid, ...] = option(
        (SEED_SERVICE,), SERVICE_UUIDS, "The service UUIDs."
    )
    appearance: int | None = option(
        SEED_APPEARANCE, or_off(sixteen_bits("an appearance")), "The appearance."
    )
    company_id: int = option(
        SEED_COMPANY_ID,
        sixteen_bits("a company id"),
        "The company id of the manufacturer data. Whoever looks for it must look for the same.",
        seed=("COMPANY_ID", "MANUFACTURER_ID"),
    )
    min_interval_ms: int = option(
        100,
        INTERVAL_MS,
        "It is sent at least this far apart. BlueZ heeds it only in experimental mode.",
    )
    max_interval_ms: int = option(150, INTERVAL_MS, "And at most this far apart.")

    def faults(self, payload_bytes: int, *payload_keys: str) -> Iterator[Conflict]:
        """What is wrong between these keys when the manufacturer data has `payload_bytes`."""
        if self.min_interval_ms > self.max_interval_ms:
            keys = ("min_interval_ms", "max_interval_ms")
            found = f"{self.min_interval_ms} is more than max_interval_ms, {self.max_interval_ms}"
            yield Conflict(keys, found, "min_interval_ms at most max_interval_ms")
        uuids = _uuid_list_bytes(self.service_uuids)
        manufacturer = _MANUFACTURER_HEADER_BYTES + payload_bytes
        appearance = 0 if self.appearance is None else _APPEARANCE_BYTES
        used = _FLAGS_BYTES + uuids + appearance + manufacturer
        if used > LARGEST_ADVERT_BYTES:
            found = (
                f"an advertisement of {used} bytes: flags {_FLAGS_BYTES}, service UUIDs {uuids}, "
                f"appearance {appearance}, manufacturer data {manufacturer}"
            )
            yield Conflict(
                ("service_uuids", *payload_keys), found, f"at most {LARGEST_ADVERT_BYTES}"
            )


def _uuid_list_bytes(uuids: tuple[ServiceUuid, ...]) -> int:
    """A 2-byte header for each of the two lengths of UUID, then the UUIDs (Core Suppl., 1.1)."""
    short = sum(len(short_uuid(uuid)) == 4 for uuid in uuids)
    long = len(uuids) - short
    return (2 + 2 * short if short else 0) + (2 + 16 * long if long else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningConfig:
    """The GATT service at which guests ask, in version 1."""

    service_uuid: ServiceUuid = option(
        ServiceUuid("c0de0001-0000-1000-8000-00805f9b34fb"),
        uuid(),
        "The provisioning service.",
        seed=("SERVICE_UUID", "PROVISIONING_SERVICE_UUID"),
    )
    characteristic_uuid: ServiceUuid = option(
        ServiceUuid("c0de0002-0000-1000-8000-00805f9b34fb"),
        uuid(),
        "Its characteristic: written with the request, notifies the answer.",
        seed=("CHARACTERISTIC_UUID", "PROVISIONING_CHAR_UUID"),
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Service and characteristic are told apart."""
        if self.service_uuid == self.characteristic_uuid:
            keys = ("characteristic_uuid", "service_uuid")
            yield Conflict(keys, "the same as service_uuid", "another UUID")
