"""However many devices there are, bleak's picture of them is bounded, and none falls silent."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.adapters.bluez import bleak_objects
from blelockd.adapters.bluez.bleak_objects import BoundedObjects
from blelockd.adapters.bluez.defs import DEVICE
from blelockd.adapters.bluez.observer import ScanMode
from tests.adapters.bluez.listening_lock import BOTH_MODES, STRANGER, Lock, advert
from tests.adapters.bluez.room import Room, eventually

ADAPTER = "/org/bluez/hci0"


def path(number: int) -> str:
    return f"{ADAPTER}/dev_C0_00_00_00_{number >> 8:02X}_{number & 255:02X}"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bleak_objects, "MOST_WHOLE", 4)
    monkeypatch.setattr(bleak_objects, "MOST_FAINT", 16)


def seen(*numbers: int) -> BoundedObjects:
    """As bleak enters what bluetoothd tells of new devices."""
    objects = BoundedObjects({ADAPTER: {"org.bluez.Adapter1": {}}})
    for number in numbers:
        told = {"Address": "x", "RSSI": -number, "ManufacturerData": {0xFFFF: bytes(20)}}
        objects.setdefault(path(number), {})[DEVICE] = told
    return objects


def test_what_is_kept_is_bounded_and_the_adapter_stays() -> None:
    objects = seen(*range(100))
    assert len(objects) == 1 + 4
    assert ADAPTER in objects
    assert path(99) in objects


def test_a_device_that_speaks_again_is_whole_again_with_the_strength_it_had() -> None:
    objects = seen(*range(20))
    assert path(10) not in objects
    assert objects[path(10)] == {
        DEVICE: {
            "Adapter": ADAPTER,
            "Address": "C0:00:00:00:00:0A",
            "Alias": "C0-00-00-00-00-0A",
            "RSSI": -10,
        }
    }
    assert len(objects) == 1 + 4


def test_one_that_speaks_now_and_then_outstays_those_that_spoke_once() -> None:
    objects = seen(1)
    for number in range(10, 60):
        objects.setdefault(path(number), {})[DEVICE] = {}
        objects[path(1)][DEVICE]["Told"] = number
    assert objects[path(1)][DEVICE]["ManufacturerData"]


def test_a_device_that_was_never_there_or_is_gone_is_not_made_up() -> None:
    objects = seen(*range(10))
    for name in (path(200), f"{ADAPTER}/dev_zz", "/org/bluez/hci9"):
        with pytest.raises(KeyError):
            objects[name]
    del objects[path(2)][DEVICE]  # as bleak does when it is removed
    del objects[path(2)]
    with pytest.raises(KeyError):
        objects[path(2)]
    objects.clear()
    with pytest.raises(KeyError):
        objects[path(3)]


def test_of_too_many_the_longest_silent_are_forgotten() -> None:
    objects = seen(*range(100))
    with pytest.raises(KeyError):
        objects[path(1)]
    assert objects[path(80)]


@BOTH_MODES
async def test_a_phone_is_heard_again_after_a_crowd_of_strangers(
    room: Room, mode: ScanMode
) -> None:
    lock = await Lock.in_room(room, mode)
    async with lock.observer:
        first = await lock.hears(b"first token 1234")
        for number in range(1, 13):
            address = f"C0:00:00:00:01:{number:02X}"
            room.air.inject(address, advert(b"stranger %d" % number), -70)
            await eventually(lambda: lock.sightings[-1].address == address)  # noqa: B023
        second = await lock.hears(b"second token 567")
        assert (second.address, second.rssi_dbm) == (STRANGER, first.rssi_dbm)
        await asyncio.wait_for(lock.observer.alive(), 5)
