"""Advertising data in both directions, and the frames and paths of the air: pure parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.virtual.advertising_data import TooLongError, build, parse, split, structure
from blelockd.virtual.bluetoothd import parse_adapters
from blelockd.virtual.propagation import Propagation, rssi_at
from blelockd.virtual.wire import Advertised, FrameError, Heard, Hello, decode, encode


def built(**properties: Any) -> tuple[bytes, bytes]:
    """Advert and scan response of these properties on an undiscoverable adapter."""
    return build(properties, discoverable=False, name="virtual-hci0", appearance=0x0340)


def test_the_seeds_advert_is_laid_out_byte_by_byte() -> None:
    data, response = built(
        Discoverable=True,
        ServiceUUIDs=["180D"],
        ManufacturerData={0xFFFF: bytes(range(16))},
        Appearance=0x0340,
        LocalName="Unlocker",
    )
    assert data.hex() == "020106" + "03030d18" + "13ffffff" + bytes(range(16)).hex() + "03194003"
    assert len(data) == 31
    assert response == b"\x09\x09Unlocker"


def test_the_flags_come_only_with_discoverable_and_never_with_a_broadcast() -> None:
    assert built(Discoverable=False)[0] == built()[0] == b""
    assert built(Discoverable=True)[0] == b"\x02\x01\x06"
    assert built(Discoverable=True, Type="broadcast")[0] == b""
    assert build({}, discoverable=True, name="", appearance=0)[0] == b"\x02\x01\x06"


def test_one_byte_more_than_31_is_too_long() -> None:
    assert len(built(ManufacturerData={0xFFFF: bytes(27)})[0]) == 31
    with pytest.raises(TooLongError):
        built(ManufacturerData={0xFFFF: bytes(28)})


def test_a_name_that_does_not_fit_is_shortened_and_marked() -> None:
    response = built(LocalName="n" * 40)[1]
    assert (response[0], response[1], len(response)) == (30, 0x08, 31)


def test_includes_take_the_adapters_name_appearance_and_power() -> None:
    data, response = built(Includes=["local-name", "appearance", "tx-power"])
    assert data == b"\x03\x19\x40\x03" + b"\x02\x0a\x00"
    assert response == b"\x0d\x09virtual-hci0"


LONG = "c0de0001-0000-1000-8000-00805f9b34fb"


def test_what_is_built_is_parsed() -> None:
    data, response = built(
        ServiceUUIDs=["180d"],
        ServiceData={LONG: b"x"},
        LocalName="Beacon",
    )
    assert parse(data + response) == {
        "UUIDs": ["0000180d-0000-1000-8000-00805f9b34fb"],
        "ServiceData": {LONG: b"x"},
        "Name": "Beacon",
    }


@given(st.binary(max_size=62))
def test_no_advert_can_harm_the_parser(data: bytes) -> None:
    for kind, value in split(data):
        assert bytes((len(value) + 1, kind)) + value in data
    parse(data)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=4))
def test_structures_survive_the_way_to_the_air_and_back(parts: list[tuple[int, bytes]]) -> None:
    assert split(b"".join(structure(kind, value) for kind, value in parts)) == parts


def test_frames_survive_the_socket() -> None:
    for frame in (
        Hello("issuer"),
        Advertised("hci0", "AA", "public", True, b"\x00\xff", b""),
        Heard("hci0", "AA", "random", False, b"\x00", b"\n", -55),
    ):
        assert decode(encode(frame)) == frame


@given(st.binary() | st.from_regex(rb'\["[A-Z][A-Za-z]+"(,("x"|1|true|null|\{\})){0,6}\]'))
def test_a_line_is_a_frame_or_an_error(line: bytes) -> None:
    try:
        frame = decode(line)
    except FrameError:
        return
    assert decode(encode(frame)) == frame


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"phone", "phone"),
        ("T\u00fcr".encode(), "T\u00fcr"),
        (b"ph\0one", "ph"),
        (b"\0", ""),
        (b"\xffph\xe4one ", "ph one"),
    ],
)
def test_a_name_is_what_d_bus_takes_whatever_was_on_the_air(raw: bytes, name: str) -> None:
    assert parse(structure(0x09, raw))["Name"] == name


def test_twenty_db_are_lost_with_every_factor_of_ten() -> None:
    assert [round(rssi_at(metres)) for metres in (0.1, 1, 10, 100)] == [-35, -55, -75, -95]


def test_the_more_exact_name_decides_the_path() -> None:
    air = Propagation()
    air.set_rssi("a", "b", -60)
    air.set_rssi("a/hci1", "b", -70)
    air.set_rssi("b/hci0", "a/hci1", -80)
    received = [
        air.received_dbm(one, other)
        for one, other in (
            ("a/hci0", "b/hci0"),
            ("b/hci9", "a/hci1"),
            ("a/hci1", "b/hci0"),
            ("a/hci0", "c/hci0"),
        )
    ]
    assert received == [-60, -70, -80, -55]


def test_the_same_seed_loses_the_same_adverts() -> None:
    def heard() -> list[int | None]:
        air = Propagation(seed=7)
        air.set_loss("a", "b", 0.5)
        air.set_noise("a", "b", 4)
        return [air.received_dbm("a/hci0", "b/hci0") for _ in range(50)]

    assert heard() == heard()
    assert 10 < heard().count(None) < 40
    assert len(set(heard())) > 5


def test_adapters_are_written_on_one_line() -> None:
    plugged = parse_adapters("hci0=aa:bb:cc:dd:ee:ff,hci1=C0:00:00:00:00:01@private")
    assert [(each.name, each.address, each.kind) for each in plugged] == [
        ("hci0", "AA:BB:CC:DD:EE:FF", "public"),
        ("hci1", "C0:00:00:00:00:01", "private"),
    ]
    assert parse_adapters("") == []
    for wrong in ("hci0", "hci0=AA:BB", "hci0=AA:BB:CC:DD:EE:FF@odd"):
        with pytest.raises(ValueError):
            parse_adapters(wrong)
