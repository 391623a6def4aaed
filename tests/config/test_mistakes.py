"""Every mistake is told at once: where it stands, what was found, expected and meant."""

from __future__ import annotations

import pytest

from blelockd.config import (
    ConfigError,
    ConfigErrors,
    GuestConfig,
    IssuerConfig,
    LockConfig,
)
from blelockd.config.common import RoleConfig
from blelockd.config.errors import LARGEST_REPORT


def errors(of: type[RoleConfig], text: str) -> tuple[ConfigError, ...]:
    with pytest.raises(ConfigErrors) as caught:
        of.from_yaml(text, "some.yaml")
    return caught.value.errors


def lock_error(text: str) -> ConfigError:
    """The one error of a lock's file, its name given on the first line."""
    found = errors(LockConfig, f"lock_id: front\n{text}")
    assert len(found) == 1, [str(error) for error in found]
    return found[0]


def test_an_error_names_file_line_key_and_what_was_expected() -> None:
    assert str(lock_error("strike:\n  hold_seconds: soon")) == (
        'some.yaml:3: strike.hold_seconds: found "soon"; '
        "expected a number of seconds from 0.1 to 3600"
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = """\
compat_v1: yes
slot_seconds: 3s
mqtt:
  prot: 1883
  tls:
    ca_file: ca.crt
    key_file: /k
strike: {command: [open-door, [1]]}
strike: {}
phones:
  nobody: {}
  AA:BB:CC:DD:EE:FF: {rssi_threshold_dbm: 68}
  aa:bb:cc:dd:ee:ff: {}
journal: loud
"""
    found = [(error.line, error.key) for error in errors(LockConfig, text)]

    assert found == [
        (1, "compat_v1"),
        (1, "lock_id"),
        (2, "slot_seconds"),
        (4, "mqtt.prot"),
        (6, "mqtt.tls.ca_file"),
        (7, "mqtt.tls.key_file"),
        (8, "strike.command[1]"),
        (9, "strike"),
        (11, "phones.nobody"),
        (12, "phones.AA:BB:CC:DD:EE:FF.rssi_threshold_dbm"),
        (13, "phones.aa:bb:cc:dd:ee:ff"),
        (14, "journal"),
    ]


def test_a_key_that_is_missing_is_told_with_an_example() -> None:
    (error,) = errors(LockConfig, "compat_v1: false\n")

    assert (error.line, error.key, error.found) == (1, "lock_id", "missing")
    assert error.hint == "for example `lock_id: lock_01`"


@pytest.mark.parametrize(
    ("text", "line", "key", "hint"),
    [
        ("slot_second: 3", 2, "slot_second", "did you mean slot_seconds?"),
        ("slot: 3", 2, "slot", "did you mean slot_seconds?"),
        ("Slot_Seconds: 3", 2, "Slot_Seconds", "did you mean slot_seconds?"),
        ("hold_seconds: 3", 2, "hold_seconds", "it belongs at strike.hold_seconds"),
        ("mqtt:\n  hots: broker", 3, "mqtt.hots", "did you mean host?"),
        ("mqtt:\n  password: hunter2", 3, "mqtt.password", "did you mean password_file?"),
        ("MQTT_BROKER: broker", 2, "MQTT_BROKER", "that is mqtt.host here"),
        ("ADVERT_INTERVAL: 3", 2, "ADVERT_INTERVAL", "did you mean slot_seconds?"),
        ("AUTHORIZED_PHONES: {}", 2, "AUTHORIZED_PHONES", "did you mean phones?"),
        ("wholly: other", 2, "wholly", ""),
    ],
)
def test_an_unknown_key_is_told_with_what_was_meant(
    text: str, line: int, key: str, hint: str
) -> None:
    error = lock_error(text)

    assert (error.line, error.key, error.found) == (line, key, "unknown key")
    assert error.hint == hint


def test_the_value_of_an_unknown_key_is_not_repeated() -> None:
    assert "hunter2" not in str(lock_error("mqtt:\n  password: hunter2"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("slot_seconds: 3s", "write the number alone: 3"),
        ("strike: {hold_seconds: 2.5 s}", "write the number alone: 2.5"),
        ("rssi_threshold_dbm: 68", "did you mean -68?"),
        ("compat_v1: yes", "did you mean true?"),
        ("only_listed_phones: off", "did you mean false?"),
        ("scan: {mode: pasive}", "did you mean passive?"),
        ("strike: {command: /bin/open --pin 17}", "write it as a list: [/bin/open, --pin, 17]"),
        ("strike: {command: [open]}", "no shell looks the program up"),
        ("mqtt: {host: 'mqtt://broker'}", "no mqtt://, no port, no path"),
        ("mqtt: {password_file: secret}", "it begins with /"),
        ("scan: {company_id: FFFF}", "hexadecimal begins with 0x"),
        ("issuer_key: ../issuer.pub", "without .."),
    ],
)
def test_a_wrong_value_is_told_with_what_was_meant(text: str, hint: str) -> None:
    assert lock_error(text).hint == hint


@pytest.mark.parametrize(
    "text",
    [
        "slot_seconds: 0",
        "slot_seconds: 61",
        "slot_seconds: 3.5",
        "slot_seconds: 03",
        "slot_seconds:",
        "slot_seconds: [3]",
        "slot_seconds: {}",
        "slot_seconds: 99999999999999999999999999",
        "slot_seconds: '\u0663'",
        "strike: {hold_seconds: nan}",
        "strike: {hold_seconds: 1e9}",
        "strike: {hold_seconds: -1}",
        "compat_v1: 1",
        "lock_id: 'a/b'",
        "mqtt: {port: 0}",
        "mqtt: {port: 65536}",
        "mqtt: {client_id: ''}",
        'mqtt: {username: "a\\nb"}',
        "adapter: ../hci0",
        "keys_directory: keys",
        "keys_directory: /",
        'issuer_key: "a\\0b"',
        "limits: 1000",
        "phones: [AA:BB:CC:DD:EE:FF]",
        "phones: {AA:BB:CC:DD:EE:FF: -68}",
        "scan: {company_id: 0x10000}",
        "strike: {command: [/bin/true, [], {}]}",
    ],
)
def test_a_value_out_of_its_bounds_is_refused(text: str) -> None:
    text = text if text.startswith("lock_id") else f"lock_id: front\n{text}"

    assert errors(LockConfig, text)


@pytest.mark.parametrize(
    ("of", "text", "line", "key"),
    [
        (LockConfig, "strike:\n  rearm_seconds: 5\n", 3, "strike.rearm_seconds"),
        (LockConfig, "slot_seconds: 20\n", 2, "strike.rearm_seconds"),
        (LockConfig, "strike:\n  hold_seconds: 30\n", 3, "strike.rearm_seconds"),
        (LockConfig, "strike:\n  type: command\n", 3, "strike.type"),
        (LockConfig, "strike:\n  secure_command: [/b]\n", 3, "strike.secure_command"),
        (LockConfig, "only_listed_phones: true\n", 2, "only_listed_phones"),
        (LockConfig, "limits:\n  sessions: 2\n", 3, "limits.sessions_per_phone"),
        (LockConfig, "mqtt:\n  password_file: /p\n", 3, "mqtt.password_file"),
        (LockConfig, "mqtt:\n  tls:\n    certificate_file: /c\n", 4, "mqtt.tls.certificate_file"),
        (LockConfig, "mqtt:\n  tls:\n    key_file: /c\n", 4, "mqtt.tls.key_file"),
        (IssuerConfig, "beacon:\n  min_interval_ms: 500\n", 3, "beacon.min_interval_ms"),
        (IssuerConfig, "beacon:\n  payload: 0123456789abcdef0\n", 3, "beacon.service_uuids"),
        (
            IssuerConfig,
            "limits:\n  requests_per_guest_per_hour: 5\n",
            3,
            "limits.requests_per_guest_per_hour",
        ),
        (
            IssuerConfig,
            "provisioning:\n  service_uuid: c0de0002-0000-1000-8000-00805f9b34fb\n",
            3,
            "provisioning.characteristic_uuid",
        ),
        (
            GuestConfig,
            "advertisement:\n  service_uuids: [180D, 180F]\n",
            3,
            "advertisement.service_uuids",
        ),
        (GuestConfig, "advertisement:\n  appearance: 0x0340\n", 3, "advertisement.service_uuids"),
        (GuestConfig, "issuer:\n  name: off\n  company_id: off\n", 3, "issuer.name"),
        (GuestConfig, "retry:\n  first_seconds: 61\n", 3, "retry.first_seconds"),
    ],
)
def test_values_that_are_wrong_together_are_told_where_one_was_written(
    of: type[RoleConfig], text: str, line: int, key: str
) -> None:
    first = {LockConfig: "lock_id: front", GuestConfig: "locks: [front]"}.get(of, "compat_v1: true")
    found = errors(of, f"{first}\n{text}")

    assert [(error.line, error.key) for error in found] == [(line, key)]


def test_a_default_that_disagrees_with_a_written_value_is_called_one() -> None:
    error = lock_error("slot_seconds: 20\n")

    assert error.found == "10 is less than two slots of 20"
    assert error.hint == "rearm_seconds is not given, that is its default"


def test_a_wrong_value_is_not_blamed_a_second_time_for_not_agreeing() -> None:
    text = "lock_id: front\nstrike: {type: command, command: open}\nphones: x\n"
    text += "only_listed_phones: true\n"

    assert [error.key for error in errors(LockConfig, text)] == ["strike.command", "phones"]


def test_values_that_disagree_are_told_beside_mistakes_elsewhere() -> None:
    text = "slot_seconds: 20\nadapter: usb\n"

    assert [error.key for error in errors(LockConfig, text)] == [
        "lock_id",
        "strike.rearm_seconds",
        "adapter",
    ]


def test_the_same_lock_twice_is_one_too_many() -> None:
    (error,) = errors(GuestConfig, "locks: [front, front]")

    assert error.found == "found an item twice"


def test_a_file_of_mistakes_is_told_in_a_bounded_report() -> None:
    text = "lock_id: front\n" + "".join(f"key_{i}: {i}\n" for i in range(5000))
    with pytest.raises(ConfigErrors) as caught:
        LockConfig.from_yaml(text, "some.yaml")

    assert len(caught.value.errors) == LARGEST_REPORT
    assert caught.value.more == 5000 - LARGEST_REPORT
    assert str(caught.value).endswith(f"... and {5000 - LARGEST_REPORT} more")


def test_an_error_quotes_little_of_a_long_value_and_nothing_raw() -> None:
    error = lock_error(f'adapter: "\\e[2J{"x" * 5000}"')

    assert len(str(error)) < 250
    assert str(error).isprintable()


def test_a_strange_key_is_told_printably() -> None:
    error = lock_error('"\\e[2J": 1')

    assert str(error).isprintable()


def test_an_empty_key_is_shown() -> None:
    assert lock_error("'': 1\n").key == '""'
