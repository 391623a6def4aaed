"""/etc/blelock/issuer.yaml: every constant of the issuer, with its default and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from blelockd.config.access import AccessConfig
from blelockd.config.bluetooth_kinds import lock_name, payload_bytes
from blelockd.config.common import (
    LONGEST_LIFETIME_SECONDS,
    BindAddress,
    MqttConfig,
    RoleConfig,
)
from blelockd.config.errors import Conflict
from blelockd.config.kinds import absolute_path, key_path, number, one_of, or_off, text, whole
from blelockd.config.options import mapping, option, section, settle, the_name
from blelockd.config.radio import LONGEST_NAME_BYTES, AdvertConfig, ProvisioningConfig
from blelockd.protocol.ids import LockId

_BY_LOCK_ID = Path()  # stands for locks/LOCK_ID.pub


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconConfig(AdvertConfig):
    """The advertisement by which guests find the issuer."""

    name: str = option(
        "IssuerBeacon",
        text(1, LONGEST_NAME_BYTES),
        "The local name, in the scan response.",
        seed=("BEACON_NAME", "LOCAL_NAME"),
    )
    payload: bytes = option(
        b"issuer", payload_bytes(24), "The manufacturer data behind the company id."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """The beacon fits an advertisement."""
        yield from self.faults(len(self.payload), "payload")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What an issued session is like."""

    lifetime_seconds: int = option(
        300,
        whole(10, LONGEST_LIFETIME_SECONDS, "seconds"),
        "How long a session opens its lock.",
        reloads=True,
        seed=("SESSION_DURATION", "SESSION_TTL", "SESSION_LIFETIME"),
    )
    slot_seconds: int = option(
        3,
        whole(1, 60, "seconds"),
        "How long one token lasts. In version 1 lock.yaml and guest.yaml say it.",
        reloads=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerLimits:
    """What the issuer spends on strangers."""

    requests_per_second: float = option(
        2.0,
        number(0.1, 1000, "requests"),
        "Requests answered per second, all guests together.",
        reloads=True,
    )
    burst: int = option(
        5,
        whole(1, 1000, "requests"),
        "Requests answered at once after a quiet time.",
        reloads=True,
    )
    requests_per_guest_per_minute: int = option(
        6, whole(1, 1000, "requests"), "Requests answered to one guest in a minute.", reloads=True
    )
    requests_per_guest_per_hour: int = option(
        60, whole(1, 10000, "requests"), "And in an hour.", reloads=True
    )
    pending: int = option(
        32,
        whole(1, 64, "requests"),
        "Requests that may be half received at a time; beyond it the one longest without a piece "
        "is given up.",
        reloads=True,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """The hour allows at least what one of its minutes does."""
        if self.requests_per_guest_per_hour < self.requests_per_guest_per_minute:
            keys = ("requests_per_guest_per_hour", "requests_per_guest_per_minute")
            found = f"{self.requests_per_guest_per_hour} is less than the minute's"
            yield Conflict(keys, found, f"at least {self.requests_per_guest_per_minute}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """What becomes of the record of every decision."""

    keep_days: int | None = option(
        365,
        or_off(whole(1, 36500, "days")),
        "How long the record of a decision is kept, and how long the name of a person is of whom "
        "nothing else is kept. Off: for ever.",
        reloads=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLock:
    """A lock that sessions may be issued for. `public_key` is absolute in an IssuerConfig."""

    lock_id: LockId = the_name()
    public_key: Path = option(
        _BY_LOCK_ID,
        key_path(),
        "Its public key; `blelock-issuer import-key` puts it at locks/LOCK_ID.pub.",
        derived=True,
    )

    def __post_init__(self) -> None:
        if self.public_key == _BY_LOCK_ID:
            settle(self, "public_key", Path("locks") / f"{self.lock_id}.pub")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerConfig(RoleConfig):
    """All of issuer.yaml. Paths of keys are absolute."""

    state_directory: Path = option(
        Path("/var/lib/blelock-issuer"),
        absolute_path(),
        "Where locks, guests, sessions and every decision are kept, in issuer.db.",
    )
    mqtt: MqttConfig = section(MqttConfig, "The broker that carries sessions to the locks.")
    beacon: BeaconConfig = section(BeaconConfig, "The advertisement by which guests find this.")
    provisioning: ProvisioningConfig = section(
        ProvisioningConfig, "The GATT service at which guests ask."
    )
    session: SessionConfig = section(SessionConfig, "What an issued session is like.")
    clock_offset_limit_seconds: int = option(
        30,
        whole(0, 3600, "seconds"),
        "How far a guest's clock may be off; a guest whose clock is further off is refused.",
        reloads=True,
    )
    bind_address: BindAddress = option(
        BindAddress.STATIC,
        one_of(BindAddress),
        "static: a guest whose Bluetooth address never changes gets a session for that address "
        "only. Phones change theirs, so they are not bound. off: nobody is bound.",
        reloads=True,
    )
    locks: tuple[KnownLock, ...] = mapping(
        KnownLock,
        "lock_id",
        lock_name(),
        "The locks that sessions are issued for, by lock id.",
        example="lock_01: {public_key: locks/lock_01.pub}",
        reloads=True,
        seed=("LOCKS", "LOCK_PUBLIC_KEYS"),
    )
    access: AccessConfig = section(AccessConfig, "Who may open which lock when.")
    audit: AuditConfig = section(AuditConfig, "The record of every decision, in issuer.db.")
    limits: IssuerLimits = section(IssuerLimits, "What strangers may cost.")

    def __post_init__(self) -> None:
        if not self.mqtt.client_id:
            settle(self, "mqtt", replace(self.mqtt, client_id="blelock-issuer"))
        resolved = (
            replace(lock, public_key=self.keys_directory / lock.public_key) for lock in self.locks
        )
        settle(self, "locks", tuple(resolved))

    def lock(self, wanted: LockId) -> KnownLock | None:
        """The lock of that id, None if it is not known."""
        return next((lock for lock in self.locks if lock.lock_id == wanted), None)
