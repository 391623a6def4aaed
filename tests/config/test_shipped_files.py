"""The files in etc/blelock are the manual of the configuration: they say what the code does."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

import pytest
import yaml

from blelockd.adapters.mqtt import BrokerSettings
from blelockd.config import GuestConfig, IssuerConfig, LockConfig, MqttConfig, TlsConfig
from blelockd.config.common import RoleConfig
from blelockd.config.options import Section, options_of
from blelockd.config.reference import EntryType, defaults, entries, shipped_file
from tests.checkout import ROOT

ROLES: Final[dict[str, type[RoleConfig]]] = {
    "issuer": IssuerConfig,
    "lock": LockConfig,
    "guest": GuestConfig,
}
FOLDER: Final = ROOT / "etc" / "blelock"
PAHO_LOOKS_EVERY_SECONDS: Final = 1  # its loop asks after the keepalive once a second
EVERY_ROLE: Final = pytest.mark.parametrize("role", ROLES)


def shipped(role: str) -> str:
    return (FOLDER / f"{role}.yaml").read_text(encoding="utf-8")


def uncommented(text: str) -> str:
    """The file as an operator makes it who takes every # away that stands before a key."""
    return re.sub(r"^( *)#(?=[A-Za-z])", r"\1", text, flags=re.MULTILINE)


def keys_in(tree: Any, of: type[Section], at: str = "") -> set[str]:
    """The dotted keys in a tree; of a mapping only its own key, its names being examples."""
    sections = {name: about for name, about, _ in options_of(of)}
    found = set()
    for key, value in (tree or {}).items():
        found.add(f"{at}{key}")
        about = sections.get(key)
        if about is not None and about.section is not None and not about.named:
            found |= keys_in(value, about.section, f"{at}{key}.")
    return found


def keys_of(of: type[Section], at: str = "") -> set[str]:
    found = set()
    for name, about, _ in options_of(of):
        found.add(f"{at}{name}")
        if about.section is not None and not about.named:
            found |= keys_of(about.section, f"{at}{name}.")
    return found


def without_mappings(value: Any) -> Any:
    """A section's values by their keys, without those mappings that examples stand in."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    keys = options_of(type(value))
    return {name: getattr(value, name) for name, about, _ in keys if not about.named}


@EVERY_ROLE
def test_the_shipped_file_is_what_its_options_declare(role: str) -> None:
    assert shipped(role) == shipped_file(role), (
        f"python3 -m blelockd.config.reference {role} > etc/blelock/{role}.yaml"
    )


@EVERY_ROLE
def test_the_shipped_file_is_valid_and_changes_nothing(role: str) -> None:
    of = ROLES[role]

    assert of.from_yaml(shipped(role), role) == defaults(of)


@EVERY_ROLE
def test_every_key_and_no_other_stands_in_the_shipped_file(role: str) -> None:
    of = ROLES[role]

    assert keys_in(yaml.safe_load(uncommented(shipped(role))), of) == keys_of(of)


@EVERY_ROLE
def test_a_default_that_is_uncommented_stays_the_default(role: str) -> None:
    of = ROLES[role]
    written = of.from_yaml(uncommented(shipped(role)), role)

    for name, about, _ in options_of(of):
        if name == "mqtt":
            written_mqtt: MqttConfig = getattr(written, name)
            assert written_mqtt.tls == TlsConfig()
            assert written_mqtt.port == 1883
        elif not about.named:
            expected = getattr(defaults(of), name)
            assert without_mappings(getattr(written, name)) == without_mappings(expected), name


@EVERY_ROLE
def test_the_example_in_a_mapping_is_valid(role: str) -> None:
    config = ROLES[role].from_yaml(uncommented(shipped(role)), role)

    mapped = [name for name, about, _ in options_of(type(config)) if about.named]
    assert all(len(getattr(config, name)) == 1 for name in mapped)


@EVERY_ROLE
def test_version_1_is_off_in_the_shipped_file(role: str) -> None:
    assert ROLES[role].from_yaml(shipped(role), role).compat_v1 is False


@EVERY_ROLE
def test_every_option_is_explained(role: str) -> None:
    for entry in entries(defaults(ROLES[role])):
        assert entry.about.endswith("."), entry.path


@EVERY_ROLE
def test_every_option_is_marked_by_whether_a_reload_takes_it(role: str) -> None:
    text = shipped(role)
    marks = re.findall(r"\b(reload|restart)\)$", text, flags=re.MULTILINE)
    told = [e for e in entries(defaults(ROLES[role])) if e.type is not EntryType.SECTION]

    assert [mark == "reload" for mark in marks] == [entry.reloads for entry in told]


def test_what_is_in_a_mapping_is_reloaded_with_it() -> None:
    (key,) = (e for e in entries(defaults(IssuerConfig)) if e.path[-1] == "public_key")

    assert key.path[0] == "locks"
    assert key.reloads


def test_how_long_connecting_may_take_waits_for_a_restart() -> None:
    assert re.search(r"to 600; restart\)\n  #connect_seconds: 10", shipped("guest"))


def test_a_guest_who_stays_near_is_what_the_lock_is_told_about_rearming() -> None:
    """services/lock/door.py counts from when a guest was last heard, not from the unlock."""
    (rearm,) = (e for e in entries(defaults(LockConfig)) if e.path[-1] == "rearm_seconds")

    assert "must be away this long" in rearm.about


def test_a_dead_broker_is_noticed_within_ten_seconds_as_shipped() -> None:
    keepalive = MqttConfig().keepalive_seconds
    settings = BrokerSettings("lock", keepalive_seconds=keepalive)

    assert settings == BrokerSettings("lock")
    assert 2 * settings.ping_seconds + PAHO_LOOKS_EVERY_SECONDS < 10


@pytest.mark.parametrize(
    ("role", "constants"),
    [
        ("issuer", {"MQTT_BROKER", "MQTT_PORT", "SESSION_DURATION", "SERVICE_UUID"}),
        ("lock", {"LOCK_ID", "ADVERT_INTERVAL", "RSSI_THRESHOLD", "AUTHORIZED_PHONES"}),
        ("guest", {"ISSUER_SCAN_TIMEOUT", "ISSUER_BEACON_ADDRESS", "ADVERT_INTERVAL"}),
    ],
)
def test_the_constants_of_the_seed_are_options(role: str, constants: set[str]) -> None:
    known = {name for entry in entries(defaults(ROLES[role])) for name in entry.seed}

    assert constants <= known
