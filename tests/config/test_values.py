"""What the operator writes is what the daemon gets, typed and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.config import (
    BindAddress,
    GuestConfig,
    Guests,
    IssuerConfig,
    LockConfig,
    ScanMode,
    StrikeType,
)
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.services.events import Severity

PHONE = BluetoothAddress("AA:BB:CC:DD:EE:FF")


def lock(text: str) -> LockConfig:
    return LockConfig.from_yaml(f"lock_id: front\n{text}", "lock.yaml")


def guest(text: str) -> GuestConfig:
    return GuestConfig.from_yaml(f"locks: [front]\n{text}", "guest.yaml")


def issuer(text: str) -> IssuerConfig:
    return IssuerConfig.from_yaml(text, "issuer.yaml")


def test_a_lock_needs_nothing_but_its_name() -> None:
    config = lock("")

    assert config.lock_id == LockId("front")
    assert config.slot_seconds == 3
    assert config.rssi_threshold_dbm == -70
    assert config.guests is Guests.MANY
    assert config.scan.mode is ScanMode.AUTO
    assert config.strike.type is StrikeType.LOG
    assert config.bind_address is BindAddress.OFF
    assert not config.compat_v1


def test_an_empty_file_is_a_whole_issuer() -> None:
    for nothing in ("# nothing\n", "---\n...\n", "~", "{}"):
        assert issuer("") == issuer(nothing)


def test_a_section_whose_keys_are_all_commented_out_has_its_defaults() -> None:
    assert lock("mqtt:\nstrike:\n  # hold_seconds: 3\nphones:\n") == lock("")


def test_a_value_is_read_as_it_is_written_whatever_yaml_1_1_makes_of_it() -> None:
    config = lock(
        "bind_address: off\nmqtt: {username: 0123, client_id: yes}\n"
        "phones: {11:22:33:44:55:10: {}}\n"
    )

    assert config.bind_address is BindAddress.OFF
    assert config.mqtt.username == "0123"
    assert config.mqtt.client_id == "yes"
    assert config.phones[0].address == BluetoothAddress("11:22:33:44:55:10")


def test_the_port_follows_tls_unless_it_is_given() -> None:
    assert lock("").mqtt.port == 1883
    assert lock("mqtt: {tls: {}}").mqtt.port == 8883
    assert lock("mqtt:\n  tls:\n").mqtt.port == 8883
    assert lock("mqtt: {tls: {}, port: 1884}").mqtt.port == 1884


def test_the_client_id_at_the_broker_is_the_roles_own() -> None:
    assert lock("").mqtt.client_id == "blelock-lock-front"
    assert issuer("").mqtt.client_id == "blelock-issuer"
    assert lock("mqtt: {client_id: mine}").mqtt.client_id == "mine"


def test_keys_are_found_in_the_keys_directory_unless_their_path_is_absolute() -> None:
    assert lock("").issuer_key == Path("/etc/blelock/keys/issuer.pub")
    assert lock("keys_directory: /srv/keys").issuer_key == Path("/srv/keys/issuer.pub")
    assert lock("issuer_key: /srv/a.pub").issuer_key == Path("/srv/a.pub")
    assert guest("issuer: {public_key: issuer.pub}").issuer.public_key == Path(
        "/etc/blelock/keys/issuer.pub"
    )
    assert guest("").issuer.public_key is None


def test_the_issuer_knows_its_locks_by_name() -> None:
    config = issuer("keys_directory: /k\nlocks:\n  front:\n  back: {public_key: b.pub}\n")

    assert [str(known.lock_id) for known in config.locks] == ["front", "back"]
    assert [known.public_key for known in config.locks] == [
        Path("/k/locks/front.pub"),
        Path("/k/b.pub"),
    ]
    assert config.lock(LockId("back")) == config.locks[1]
    assert config.lock(LockId("cellar")) is None


def test_a_phone_may_have_a_threshold_of_its_own() -> None:
    phones = 'phones:\n  "aa:bb:cc:dd:ee:ff": {rssi_threshold_dbm: -68}\n  AA-BB-CC-DD-EE-00: {}\n'
    config = lock(phones)

    assert config.phones[0].address == PHONE
    assert [phone.rssi_threshold_dbm for phone in config.phones] == [-68, None]


def test_a_strike_may_run_a_command() -> None:
    config = lock("strike: {type: command, command: [/bin/open, --door, '1'], hold_seconds: 2.5}")

    assert config.strike.type is StrikeType.COMMAND
    assert config.strike.command == ("/bin/open", "--door", "1")
    assert config.strike.hold_seconds == 2.5


@pytest.mark.parametrize(
    ("written", "meant"), [("issuer", b"issuer"), ("0x0100", b"\x01\x00"), ("'a b'", b"a b")]
)
def test_the_beacons_payload_is_text_or_hex(written: str, meant: bytes) -> None:
    assert issuer(f"beacon: {{payload: {written}}}").beacon.payload == meant


def test_a_service_uuid_is_known_in_its_long_form() -> None:
    long = "0000180d-0000-1000-8000-00805f9b34fb"

    assert issuer("beacon: {service_uuids: [180D]}").beacon.service_uuids == (long,)
    assert issuer(f"beacon: {{service_uuids: [{long}]}}").beacon.service_uuids == (long,)
    assert issuer("beacon: {service_uuids: []}").beacon.service_uuids == ()


def test_numbers_that_bluetooth_assigns_are_written_in_hex_or_not() -> None:
    assert guest("issuer: {company_id: 0xFFFF}") == guest("issuer: {company_id: 65535}")


def test_a_mark_of_the_issuer_may_be_turned_off() -> None:
    match = guest("issuer: {name: off, company_id: off, address: AA:BB:CC:DD:EE:FF}").issuer

    assert (match.name, match.company_id, match.address) == (None, None, PHONE)


def test_the_journals_level_is_a_severity() -> None:
    assert lock("journal: {level: debug}").journal.level is Severity.DEBUG


def test_nobody_changes_a_configuration() -> None:
    config = lock("")

    with pytest.raises(AttributeError):
        config.slot_seconds = 4  # type: ignore[misc]


def test_a_guests_appearance_is_what_fits_beside_the_token_of_its_version() -> None:
    v2 = GuestConfig.from_yaml("locks: [front]", "guest.yaml")
    v1 = GuestConfig.from_yaml("locks: [front]\ncompat_v1: true", "guest.yaml")

    assert v2.advertisement.appearance is None
    assert v1.advertisement.appearance == 0x0340
    off = GuestConfig.from_yaml(
        "locks: [front]\ncompat_v1: true\nadvertisement: {appearance: off}", "guest.yaml"
    )
    assert off.advertisement.appearance is None
