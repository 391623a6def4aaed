"""/etc/blelock/lock.yaml: every constant of the lock, with its default and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from blelockd.config.bluetooth_kinds import bluetooth_address, lock_name, sixteen_bits
from blelockd.config.common import (
    LONGEST_LIFETIME_SECONDS,
    BindAddress,
    MqttConfig,
    RoleConfig,
    slot_option,
)
from blelockd.config.errors import Conflict
from blelockd.config.kinds import Argv, absolute_path, flag, key_path, number, one_of, or_off, whole
from blelockd.config.nearness import NearnessConfig
from blelockd.config.options import mapping, option, required, section, settle, the_name
from blelockd.config.radio import SEED_COMPANY_ID
from blelockd.protocol.ids import BluetoothAddress, LockId

RSSI_DBM: Final = whole(-127, 0, "dBm")  # Bluetooth Core Vol 4, Part E, 7.7.65.2


class Guests(StrEnum):
    """How many guests may hold a session at a time."""

    ONE = "one"
    MANY = "many"


class ScanMode(StrEnum):
    """How the lock listens."""

    AUTO = "auto"
    PASSIVE = "passive"
    ACTIVE = "active"


class StrikeType(StrEnum):
    """What holds the door."""

    LOG = "log"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneConfig:
    """What is special about one phone. A threshold of None is the lock's own."""

    address: BluetoothAddress = the_name()
    rssi_threshold_dbm: int | None = option(
        None,
        or_off(RSSI_DBM),
        "Its own threshold. Off: that of the lock.",
        example="-68",
        seed=("rssi_threshold",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """How the lock listens."""

    mode: ScanMode = option(
        ScanMode.AUTO,
        one_of(ScanMode),
        "passive: BlueZ sorts out foreign adverts; needs bluetoothd --experimental. active: works "
        "everywhere and costs more. auto: passive where BlueZ can, else active.",
    )
    company_id: int = option(
        SEED_COMPANY_ID,
        sixteen_bits("a company id"),
        "The company id under which guests advertise their tokens.",
        seed=("COMPANY_ID", "MANUFACTURER_ID"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikeConfig:
    """What an admitted token does."""

    type: StrikeType = option(
        StrikeType.LOG,
        one_of(StrikeType),
        "log: only tell the journal. command: run a program.",
        reloads=True,
    )
    command: tuple[str, ...] = option(
        (),
        Argv(),
        "The program that lets the door open, and its arguments. It gets the facts in its "
        "environment, no shell, and no input. It, each file that an argument names by its absolute "
        "path, and what their #! lines name: only root and the daemon's user may be able to change "
        "or replace those, else nothing is run.",
        reloads=True,
        example="[/usr/local/bin/open-door, --pin, 17]",
    )
    secure_command: tuple[str, ...] = option(
        (),
        Argv(),
        "The program that holds the door again: after hold_seconds, and when the daemon starts "
        "and stops. Empty: nothing is run.",
        reloads=True,
        example="[/usr/local/bin/hold-door, --pin, 17]",
    )
    time_limit_seconds: float = option(
        5.0,
        number(0.1, 300, "seconds"),
        "A program that runs longer is killed; as the door may have opened, that counts as an "
        "opening.",
        reloads=True,
    )
    hold_seconds: float = option(
        5.0,
        number(0.1, 3600, "seconds"),
        "How long the door stays released; whoever else is let in meanwhile prolongs it.",
        reloads=True,
    )
    rearm_seconds: float = option(
        10.0,
        number(0, 3600, "seconds"),
        "A guest who was let in must be away this long, no valid token heard, before the door "
        "opens for them again: a phone left near the door opens it once. A guest is a device that "
        "is enrolled (version 1: who has the same session or the same address). At least "
        "hold_seconds and two slots.",
        reloads=True,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """A command is there to be run, and a door is not released while it is."""
        if self.type is StrikeType.COMMAND and not self.command:
            yield Conflict(("type", "command"), "command, and there is no command", "a command")
        if self.secure_command and not self.command:
            keys = ("secure_command", "command")
            yield Conflict(keys, "given without command", "a command as well")
        if self.rearm_seconds < self.hold_seconds:
            keys = ("rearm_seconds", "hold_seconds")
            found = f"{self.rearm_seconds:g} is less than hold_seconds, {self.hold_seconds:g}"
            yield Conflict(keys, found, "rearm_seconds at least hold_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockLimits:
    """What the lock keeps, and what it believes."""

    sessions: int = option(
        1000,
        whole(1, 100_000, "sessions"),
        "Live sessions kept; beyond it new ones are refused.",
        reloads=True,
    )
    sessions_per_guest: int = option(
        4,
        whole(1, 1000, "sessions"),
        "Live sessions of the same guest; beyond it that guest's oldest ends.",
        reloads=True,
    )
    sessions_per_phone: int = option(
        4,
        whole(1, 1000, "sessions"),
        "For version 1: live sessions that name the same phone; beyond it that phone's oldest "
        "ends.",
        reloads=True,
    )
    lifetime_seconds: int = option(
        LONGEST_LIFETIME_SECONDS,
        whole(10, LONGEST_LIFETIME_SECONDS, "seconds"),
        "A session that would last longer is refused, whoever signed it.",
        reloads=True,
    )
    events: int = option(
        100_000,
        whole(100, 1_000_000, "events"),
        "Events kept on disk until the issuer has them, some 12 MB of 100,000; beyond it new ones "
        "are lost, and how many is told.",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """One phone is not allowed more than all."""
        if self.sessions_per_phone > self.sessions:
            keys = ("sessions_per_phone", "sessions")
            found = f"{self.sessions_per_phone} is more than sessions, {self.sessions}"
            yield Conflict(keys, found, f"at most {self.sessions}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockConfig(RoleConfig):
    """All of lock.yaml. The path of the issuer's key is absolute."""

    state_directory: Path = option(
        Path("/var/lib/blelock-lock"),
        absolute_path(),
        "Where events are kept until the issuer has them, in a directory of this lock's name. No "
        "session and no key is ever there.",
    )
    lock_id: LockId = required(
        lock_name(),
        "This lock's name: the one under which the issuer knows it, and its topic at the broker.",
        example="lock_01",
        seed=("LOCK_ID", "DEVICE_ID"),
    )
    mqtt: MqttConfig = section(MqttConfig, "The broker that brings sessions from the issuer.")
    issuer_key: Path = option(
        Path("issuer.pub"),
        key_path(),
        "For version 1: the public key of the only issuer whose sessions are taken; `blelock-lock "
        "import-key` puts it here. For version 2 `blelock-lock trust` puts issuer.card there.",
        seed=("BACKEND_PUBLIC_KEY", "ISSUER_PUBLIC_KEY"),
    )
    slot_seconds: int = slot_option()
    guests: Guests = option(
        Guests.MANY,
        one_of(Guests),
        "many: every guest keeps a session of its own. one: a new session ends the one before.",
        reloads=True,
    )
    rssi_threshold_dbm: int = option(
        -70,
        RSSI_DBM,
        "A phone must be heard louder than this. Nearer to 0 is louder, and nearer to the door.",
        reloads=True,
        seed=("RSSI_THRESHOLD", "DEFAULT_RSSI_THRESHOLD", "rssi_threshold"),
    )
    phones: tuple[PhoneConfig, ...] = mapping(
        PhoneConfig,
        "address",
        bluetooth_address(),
        "Phones with a threshold of their own, by Bluetooth address.",
        example="AA:BB:CC:DD:EE:FF: {rssi_threshold_dbm: -68}",
        reloads=True,
        seed=("AUTHORIZED_PHONES",),
    )
    challenge_seconds: int | None = option(
        None,
        or_off(whole(2, 600, "seconds")),
        "Ask a new question so often, in a beacon of this lock's own, for guests whose sessions "
        "want it (`challenge: true` in issuer.yaml); an answer to this question and to the one "
        "before it counts. Off: nothing is asked, and such sessions are refused.",
        example="10",
    )
    nearness: NearnessConfig = section(NearnessConfig, "How near a guest must be.")
    only_listed_phones: bool = option(
        False, flag(), "Refuse every phone that is not listed above.", reloads=True
    )
    bind_address: BindAddress = option(
        BindAddress.OFF,
        one_of(BindAddress),
        "For version 1. static: a session that names an address opens from that address only. off: "
        "the address does not matter.",
        reloads=True,
    )
    scan: ScanConfig = section(ScanConfig, "How the lock listens.")
    strike: StrikeConfig = section(StrikeConfig, "What happens when a token is admitted.")
    limits: LockLimits = section(LockLimits, "What is kept, and what is believed.")

    def __post_init__(self) -> None:
        if not self.mqtt.client_id:
            settle(self, "mqtt", replace(self.mqtt, client_id=f"blelock-lock-{self.lock_id}"))
        settle(self, "issuer_key", self.keys_directory / self.issuer_key)

    @property
    def own_directory(self) -> Path:
        """That of this lock alone: several doors of one machine share their state_directory."""
        return self.state_directory / str(self.lock_id)

    def conflicts(self) -> Iterator[Conflict]:
        """The door is not fired at twice by one token, nor shut to everybody."""
        if self.strike.rearm_seconds < 2 * self.slot_seconds:
            keys = ("strike.rearm_seconds", "slot_seconds")
            found = f"{self.strike.rearm_seconds:g} is less than two slots of {self.slot_seconds}"
            yield Conflict(keys, found, f"at least {2 * self.slot_seconds}")
        if self.only_listed_phones and not self.phones:
            keys = ("only_listed_phones", "phones")
            yield Conflict(keys, "true, and no phone is listed", "phones, or false")
