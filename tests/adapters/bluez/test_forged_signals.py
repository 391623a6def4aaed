"""Another user of the machine sends what looks like bluetoothd's: the bus lets everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from blelockd.adapters.bluez.defs import (
    DEVICE,
    INTERFACES_ADDED,
    MONITOR,
    OBJECT_MANAGER,
    PROPERTIES,
    PROPERTIES_CHANGED,
)
from blelockd.adapters.bluez.observer import ScanMode
from tests.adapters.bluez.listening_lock import BOTH_MODES, STRANGER, Lock
from tests.adapters.bluez.room import COMPANY, Room

_PATH = "/org/bluez/hci0/dev_" + STRANGER.replace(":", "_")
_FORGED, _HONEST = b"never on the air", b"on the air"


@asynccontextmanager
async def somebody(lock: Lock) -> AsyncIterator[MessageBus]:
    """A program on the lock's machine that is not bluetoothd."""
    bus = await MessageBus(bus_address=lock.host.bus_address).connect()
    try:
        yield bus
    finally:
        bus.disconnect()


def signal(path: str, interface: str, member: str, signature: str, *body: object) -> Message:
    """To everybody who listens."""
    return Message(
        message_type=MessageType.SIGNAL,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(body),
    )


def added(path: str, interfaces: dict[str, dict[str, Variant]]) -> Message:
    """There is a new object."""
    return signal("/", OBJECT_MANAGER, INTERFACES_ADDED, "oa{sa{sv}}", path, interfaces)


def advert() -> dict[str, Variant]:
    """What bluetoothd tells of a device."""
    return {
        "Adapter": Variant("o", "/org/bluez/hci0"),
        "Address": Variant("s", STRANGER),
        "Alias": Variant("s", "x"),
        "RSSI": Variant("n", -20),
        "ManufacturerData": Variant("a{qv}", {COMPANY: Variant("ay", _FORGED)}),
    }


@BOTH_MODES
async def test_what_another_user_tells_of_the_air_is_not_heard(room: Room, mode: ScanMode) -> None:
    lock = await Lock.in_room(room, mode)
    async with lock.observer, somebody(lock) as bus:
        await lock.observer.alive()
        added = signal(
            "/", OBJECT_MANAGER, INTERFACES_ADDED, "oa{sa{sv}}", _PATH, {DEVICE: advert()}
        )
        await bus.send(added)
        heard = await lock.hears(_HONEST)  # of the same address
        changed = signal(_PATH, PROPERTIES, PROPERTIES_CHANGED, "sa{sv}as", DEVICE, advert(), [])
        await bus.send(changed)
        await asyncio.sleep(0.2)
        assert {sighting.payload for sighting in lock.sightings} == {_HONEST}
        assert heard.rssi_dbm == -60


async def test_objects_that_another_user_makes_up_take_no_room(room: Room) -> None:
    lock = await Lock.in_room(room)
    async with lock.observer, somebody(lock) as bus:
        await lock.observer.alive()
        for number in range(200):
            path, made_up = f"/org/bluez/x{number}", {"org.x": {"A": Variant("s", "y")}}
            await bus.send(
                signal("/", OBJECT_MANAGER, INTERFACES_ADDED, "oa{sa{sv}}", path, made_up)
            )
        await lock.hears(_HONEST)
        assert lock.observer._scan is not None
        kept = lock.observer._scan._bus._manager._properties
        assert not [path for path in kept if path.startswith("/org/bluez/x")]


@pytest.mark.parametrize("kind", [MessageType.SIGNAL, MessageType.METHOD_CALL])
async def test_nobody_but_bluetoothd_ends_a_passive_scan(room: Room, kind: MessageType) -> None:
    lock = await Lock.in_room(room, ScanMode.PASSIVE)
    async with lock.observer, somebody(lock) as bus:
        await lock.observer.alive()
        assert lock.observer._scan is not None
        to = lock.observer._scan._bus._bus.unique_name
        release = Message(
            message_type=kind, destination=to, path="/x", interface=MONITOR, member="Release"
        )
        await bus.send(release)
        await asyncio.sleep(0.2)
        await lock.observer.alive()
        await lock.hears(_HONEST)
