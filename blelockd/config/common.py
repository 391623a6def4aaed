"""The sections that more than one role has, and what every configuration can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from blelockd.config import check, document
from blelockd.config.bluetooth_kinds import adapter_name
from blelockd.config.errors import Conflict
from blelockd.config.kinds import absolute_path, flag, host_name, one_of, or_off, text, whole
from blelockd.config.options import option, optional_section, section, settle
from blelockd.services.events import Severity

KEYS_DIRECTORY: Final = Path("/etc/blelock/keys")
LONGEST_LIFETIME_SECONDS: Final = 86400
_BY_ROLE: Final[dict[str, type[RoleConfig]]] = {}


class BindAddress(StrEnum):
    """Whether a session may be used from one Bluetooth address only."""

    OFF = "off"
    STATIC = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """How the broker is told from an impostor, and this client from another."""

    ca_file: Path | None = option(
        None,
        or_off(absolute_path()),
        "Certificates of the authority that signed the broker's. Off: those the system trusts.",
        example="/etc/blelock/tls/ca.crt",
    )
    certificate_file: Path | None = option(
        None,
        or_off(absolute_path()),
        "This client's certificate, where the broker asks for one. Needs key_file.",
        example="/etc/blelock/tls/client.crt",
    )
    key_file: Path | None = option(
        None,
        or_off(absolute_path()),
        "The private key of certificate_file.",
        example="/etc/blelock/tls/client.key",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """A certificate and its key come together."""
        if (self.certificate_file is None) != (self.key_file is None):
            given, other = ("key_file", "certificate_file")
            if self.key_file is None:
                given, other = other, given
            yield Conflict((given, other), f"given without {other}", "both or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """The broker, and who this client is there. `port` and `client_id` are always settled."""

    host: str = option(
        "localhost",
        host_name(),
        "The broker's host name or address.",
        seed=("MQTT_BROKER", "broker"),
    )
    port: int = option(
        0,
        whole(1, 65535),
        "The broker's TCP port: 1883, or 8883 with tls.",
        derived=True,
        seed=("MQTT_PORT",),
    )
    client_id: str = option(
        "",
        text(1, 64),
        "The name this client has at the broker. No two clients may share one: each would throw "
        "the other out.",
        derived=True,
    )
    username: str | None = option(
        None,
        or_off(text(1, 256)),
        "The user to log in as. Off: no login.",
        example="lock_01",
        seed=("MQTT_USERNAME",),
    )
    password_file: Path | None = option(
        None,
        or_off(absolute_path()),
        "A file whose first line is the password, readable for this daemon only. Needs username.",
        example="/etc/blelock/keys/mqtt.password",
        seed=("MQTT_PASSWORD",),
    )
    keepalive_seconds: int = option(
        6,
        whole(5, 3600, "seconds"),
        "A broker that no longer answers is given up within one and a half times this and a "
        "second.",
        seed=("MQTT_KEEPALIVE", "keepalive"),
    )
    tls: TlsConfig | None = optional_section(
        TlsConfig,
        "Encrypt the link to the broker and check its certificate. Absent: no TLS.",
    )

    def __post_init__(self) -> None:
        settle(self, "port", self.port or (8883 if self.tls is not None else 1883))

    def conflicts(self) -> Iterator[Conflict]:
        """A password is somebody's, and goes over no network in the clear unnoticed."""
        if self.password_file is not None and self.username is None:
            keys = ("password_file", "username")
            yield Conflict(keys, "given without username", "a username as well")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalConfig:
    """How much the journal is told."""

    summary_seconds: int = option(
        60,
        whole(1, 86400, "seconds"),
        "Foreign adverts, junk on the broker, and refusals that are repeated or too many are "
        "counted, and summed up in one line at most this often.",
        reloads=True,
    )
    level: Severity = option(
        Severity.INFO, one_of(Severity), "The least important events that are told.", reloads=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleConfig:
    """What every role has, and how a configuration comes to be."""

    compat_v1: bool = option(
        False,
        flag(),
        "Speak version 1 of the protocol, the seed's own. Version 1 gives a session to whoever "
        "asks within radio range, and sends its key in the clear to a guest that has no key of its "
        "own. Issuer and lock then speak it beside version 2, a guest in place of it.",
        live=True,
    )
    adapter: str = option(
        "hci0", adapter_name(), "The Bluetooth adapter, by name. `bluetoothctl list` shows them."
    )
    keys_directory: Path = option(
        KEYS_DIRECTORY,
        absolute_path(),
        "Where the keys are: this role's own, and below it those of others. A key that systemd "
        "hands over (LoadCredential=) comes first.",
        seed=("KEYS_DIR", "KEY_DIR"),
    )
    journal: JournalConfig = section(JournalConfig, "What is written to the journal.")

    def __init_subclass__(cls) -> None:
        _BY_ROLE[cls.role()] = cls

    @classmethod
    def role(cls) -> str:
        """issuer, lock or guest."""
        return cls.__name__.removesuffix("Config").lower()

    @classmethod
    def from_yaml(cls, text: str, source_name: str) -> Self:
        """The configuration in `text`; raises ConfigErrors, which names `source_name`."""
        return check.parse(cls, text, source_name, _BY_ROLE)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The configuration in a file; raises ConfigErrors (ConfigUnreadable if there is none)."""
        return cls.from_yaml(check.read_file(path, cls.role()), str(path))

    @classmethod
    def line_of(cls, path: Path, *key: str) -> int:
        """Where in that file `key` stands; raises ConfigErrors."""
        return document.read(check.read_file(path, cls.role()), str(path)).line(key)


def slot_option() -> int:
    """The length of a slot, which is declared alike on both sides of the air."""
    return option(
        3,
        whole(1, 60, "seconds"),
        "For version 1: how long one token lasts. Guest and lock must agree on it. In version 2 "
        "the issuer says it.",
        seed=("ADVERT_INTERVAL",),
    )
