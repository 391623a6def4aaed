"""/etc/blelock/guest.yaml: every constant of the guest, with its default and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from blelockd.config.bluetooth_kinds import bluetooth_address, lock_name, sixteen_bits
from blelockd.config.common import RoleConfig, slot_option
from blelockd.config.errors import Conflict
from blelockd.config.kinds import ListOf, key_path, number, or_off, text, whole
from blelockd.config.options import option, required, section, settle
from blelockd.config.radio import (
    LONGEST_NAME_BYTES,
    SEED_APPEARANCE,
    SEED_COMPANY_ID,
    AdvertConfig,
    ProvisioningConfig,
)
from blelockd.protocol.ids import BluetoothAddress, LockId

_V1_TOKEN_BYTES: Final = 16  # docs/protocol.md: the token of each version
_V2_TOKEN_BYTES: Final = 20
_BY_VERSION: Final = -1  # stands for the appearance that fits beside the token
_SECONDS: Final = number(0.1, 600, "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerMatch:
    """How the guest knows the issuer. `public_key` is absolute, or None: answers are not signed."""

    address: BluetoothAddress | None = option(
        None,
        or_off(bluetooth_address()),
        "The issuer's Bluetooth address. Off: not looked at.",
        example="AA:BB:CC:DD:EE:FF",
        seed=("ISSUER_BEACON_ADDRESS", "ISSUER_ADDRESS"),
    )
    name: str | None = option(
        "IssuerBeacon",
        or_off(text(1, LONGEST_NAME_BYTES)),
        "The name in its beacon. Off: not looked at.",
        seed=("ISSUER_BEACON_NAME",),
    )
    company_id: int | None = option(
        SEED_COMPANY_ID,
        or_off(sixteen_bits("a company id")),
        "The company id in its beacon. Off: not looked at.",
        seed=("COMPANY_ID", "MANUFACTURER_ID"),
    )
    public_key: Path | None = option(
        None,
        or_off(key_path()),
        "For version 1: the issuer's public key; `blelock-guest import-key` puts it at issuer.pub. "
        "With it an answer that this key has not signed is refused. Off: whoever answers is "
        "believed. A guest of version 2 believes the issuer that it enrolled with.",
        example="issuer.pub",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """There is something to know the issuer by."""
        if self.address is None and self.name is None and self.company_id is None:
            keys = ("name", "address", "company_id")
            yield Conflict(keys, "off, as are address and company_id", "one of them at least")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutsConfig:
    """How long each step of getting a session may take."""

    scan_seconds: float = option(
        8.0,
        _SECONDS,
        "Looking for the issuer's beacon.",
        reloads=True,
        seed=("ISSUER_SCAN_TIMEOUT", "SCAN_TIMEOUT"),
    )
    connect_seconds: float = option(10.0, _SECONDS, "Connecting to it.", seed=("CONNECT_TIMEOUT",))
    response_seconds: float = option(
        10.0,
        _SECONDS,
        "Waiting for its answer.",
        reloads=True,
        seed=("RESPONSE_TIMEOUT", "PROVISIONING_TIMEOUT"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAdvertConfig(AdvertConfig):
    """The advertisement that carries the tokens."""

    name: str = option(
        "Unlocker", text(1, LONGEST_NAME_BYTES), "The local name, in the scan response."
    )
    appearance: int | None = option(
        _BY_VERSION,
        or_off(sixteen_bits("an appearance")),
        "The appearance: 0x0340 in version 1, off in version 2, whose token leaves no room for it.",
        derived=True,
    )
    tx_power_dbm: int = option(
        -59,
        whole(-100, 20, "dBm"),
        "How strongly this device is received at a distance of 1 m. Version 2 tells it to the "
        "lock, under the token's seal, so that the lock can tell how near the guest is.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    """How the guest waits after a failure: twice as long each time."""

    first_seconds: float = option(
        1.0, _SECONDS, "After the first failure.", reloads=True, seed=("RETRY_DELAY",)
    )
    longest_seconds: float = option(60.0, _SECONDS, "Never longer than this.", reloads=True)

    def conflicts(self) -> Iterator[Conflict]:
        """The first wait is not the longest."""
        if self.first_seconds > self.longest_seconds:
            keys = ("first_seconds", "longest_seconds")
            found = f"{self.first_seconds:g} is more than longest_seconds"
            yield Conflict(keys, found, f"at most {self.longest_seconds:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestConfig(RoleConfig):
    """All of guest.yaml. Paths of keys are absolute."""

    locks: tuple[LockId, ...] = required(
        ListOf(lock_name(), 1, 32, "a list of 1 to 32 lock ids"),
        "The locks to hold a session for, in this order.",
        example="[lock_01]",
        seed=("LOCK_ID",),
    )
    issuer: IssuerMatch = section(
        IssuerMatch,
        "How to know the issuer. A beacon that has one of address, name and company_id is tried.",
    )
    provisioning: ProvisioningConfig = section(
        ProvisioningConfig, "The GATT service at which the issuer is asked, in version 1."
    )
    timeouts: TimeoutsConfig = section(TimeoutsConfig, "How long each step may take.")
    slot_seconds: int = slot_option()
    advertisement: TokenAdvertConfig = section(
        TokenAdvertConfig, "The advertisement that carries the tokens."
    )
    phone_mac: BluetoothAddress | None = option(
        None,
        or_off(bluetooth_address()),
        "For version 1: the address to name in a request. Off: the issuer finds it out by itself.",
        example="AA:BB:CC:DD:EE:FF",
        seed=("PHONE_MAC", "PHONE_MAC_OVERRIDE"),
    )
    renew_before_seconds: float = option(
        30.0,
        number(0, 3600, "seconds"),
        "A session is renewed this long before it ends.",
        reloads=True,
    )
    retry: RetryConfig = section(RetryConfig, "How long to wait after a failure.")

    def __post_init__(self) -> None:
        if self.issuer.public_key is not None:
            pinned = self.keys_directory / self.issuer.public_key
            settle(self, "issuer", replace(self.issuer, public_key=pinned))
        if self.advertisement.appearance == _BY_VERSION:
            appearance = SEED_APPEARANCE if self.compat_v1 else None
            settle(self, "advertisement", replace(self.advertisement, appearance=appearance))

    def conflicts(self) -> Iterator[Conflict]:
        """Token and UUIDs fit an advertisement."""
        token_bytes = _V1_TOKEN_BYTES if self.compat_v1 else _V2_TOKEN_BYTES
        for conflict in self.advertisement.faults(token_bytes, "appearance"):
            yield replace(conflict, keys=tuple(f"advertisement.{key}" for key in conflict.keys))
