"""The guest finds the issuer among whatever else is on the air, and every loss wakes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from blelockd.adapters.bluez.broadcaster import Advertisement, LeBroadcaster
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.bluez.gatt_client import GattCentral
from blelockd.adapters.bluez.gatt_connection import MOST_NOTIFICATIONS_WAITING
from blelockd.adapters.bluez.gatt_endpoints import Endpoint
from blelockd.adapters.bluez.gatt_server import GattServer
from blelockd.protocol.ids import BluetoothAddress
from blelockd.services.ports import CharacteristicWrite, IssuerMark
from blelockd.virtual.hosts import Host
from tests.adapters.bluez.room import (
    CHARACTERISTIC,
    COMPANY,
    HEART_RATE,
    PATIENCE_SECONDS,
    SERVICE,
    Room,
    eventually,
    open_files,
)

BEACON = Advertisement(COMPANY, "IssuerBeacon", (HEART_RATE,), 0x0340)
BY_NAME = IssuerMark(name="IssuerBeacon")
BY_COMPANY = IssuerMark(company_id=COMPANY)
BY_ANY = IssuerMark(name="IssuerBeacon", company_id=COMPANY)


@pytest.fixture
async def guest(room: Room) -> AsyncIterator[GattCentral]:
    """A guest on a host of its own."""
    room.bleak_on(await room.air.add_host("guest"))
    central = GattCentral("hci0", Endpoint.of_v1(SERVICE, CHARACTERISTIC))
    yield central
    await central.close()


class Issuer:
    """An issuer that echoes what is written, in frames of a given size."""

    def __init__(self, room: Room, host: Host, server: GattServer) -> None:
        self.room = room
        self.host = host
        self.server = server
        self.written: list[CharacteristicWrite] = []

    @classmethod
    async def in_room(cls, room: Room, **settings: Any) -> Issuer:
        host = await room.air.add_host("issuer", **settings)
        controller = await room.controller(host)
        issuer = cls(room, host, GattServer(controller, SERVICE, CHARACTERISTIC))
        await issuer.server.start(issuer.echo)
        await LeBroadcaster(controller, BEACON).broadcast(b"issuer")
        return issuer

    async def echo(self, write: CharacteristicWrite) -> None:
        self.written.append(write)
        await self.server.notify(write.device, [write.value])


async def advertise(room: Room, name: str, advertisement: Advertisement, payload: bytes) -> Host:
    """A host that only advertises."""
    host = await room.air.add_host(name)
    await LeBroadcaster(await room.controller(host), advertisement).broadcast(payload)
    return host


async def in_time(waited: Any) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await waited


async def test_the_issuer_is_found_by_name_by_company_or_by_address(
    room: Room, guest: GattCentral
) -> None:
    issuer = await Issuer.in_room(room)
    address = issuer.host.address()
    by_address = IssuerMark(address=BluetoothAddress.parse(address))
    for mark in (BY_NAME, BY_COMPANY, by_address, BY_ANY):
        assert await guest.find(mark, PATIENCE_SECONDS) == address


async def test_a_name_that_nobody_bears_is_not_heard(room: Room, guest: GattCentral) -> None:
    await Issuer.in_room(room)
    with pytest.raises(RadioDown, match=r"no issuer heard for 0\.3 s: go nearer") as caught:
        await guest.find(IssuerMark(name="Nobody"), 0.3)
    assert caught.value.cause is Cause.NOT_HEARD


async def test_another_guests_token_is_not_taken_for_the_issuer_when_its_name_is_known(
    room: Room, guest: GattCentral
) -> None:
    await advertise(room, "phone", Advertisement(COMPANY, "Unlocker", (HEART_RATE,)), b"T" * 16)
    issuer = await Issuer.in_room(room)
    for _ in range(3):
        assert await guest.find(BY_ANY, PATIENCE_SECONDS) == issuer.host.address()


async def test_one_that_could_not_be_connected_to_is_the_last_choice(
    room: Room, guest: GattCentral
) -> None:
    twin = await advertise(room, "twin", BEACON, b"issuer")
    found = await guest.find(BY_NAME, PATIENCE_SECONDS)
    assert found == twin.address()
    with pytest.raises(RadioDown) as caught:
        async with guest.connect(found):
            pytest.fail("the twin offers no provisioning")
    assert caught.value.cause is Cause.NO_SERVICE
    issuer = await Issuer.in_room(room)
    for _ in range(3):
        assert await guest.find(BY_NAME, PATIENCE_SECONDS) == issuer.host.address()


@pytest.mark.parametrize(("mtu", "largest"), [(23, 508), (64, 508), (247, 244), (517, 508)])
async def test_a_write_carries_what_the_connection_takes(
    room: Room, guest: GattCentral, mtu: int, largest: int
) -> None:
    issuer = await Issuer.in_room(room, mtu=mtu)
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        assert connection.largest_write_bytes == largest
        await connection.write(b"x" * largest)
        await eventually(lambda: issuer.written)
        assert issuer.written[0].value == b"x" * largest
        echoed = await in_time(connection.receive())
        assert echoed == b"x" * min(largest, mtu - 3)


async def test_leaving_disconnects_and_the_guest_comes_again(
    room: Room, guest: GattCentral
) -> None:
    issuer = await Issuer.in_room(room)
    before = 0
    for number in range(10):
        async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
            await connection.write(b"%d" % number)
            assert await in_time(connection.receive()) == b"%d" % number
        before = before or open_files()
    assert open_files() <= before + 1
    assert len(issuer.written) == 10
    with pytest.raises(RadioDown) as caught:
        await connection.write(b"too late")
    assert caught.value.cause is Cause.PEER_GONE


async def test_a_service_put_up_anew_is_connected_to(room: Room, guest: GattCentral) -> None:
    issuer = await Issuer.in_room(room)
    for _ in range(3):
        async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
            await connection.write(b"again")
            assert await in_time(connection.receive()) == b"again"
        await issuer.server.stop()
        await issuer.server.start(issuer.echo)


async def test_what_was_never_heard_cannot_be_connected_to(guest: GattCentral) -> None:
    with pytest.raises(RadioDown) as caught:
        async with guest.connect("00:00:00:00:00:00"):
            pytest.fail("there is nothing to connect to")
    assert caught.value.cause is Cause.NOT_HEARD


async def test_an_issuer_that_went_out_of_range_wakes_the_receiver(
    room: Room, guest: GattCentral
) -> None:
    await Issuer.in_room(room)
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        receiving = asyncio.create_task(connection.receive())
        await asyncio.sleep(0)
        room.air.set_loss("issuer", "guest", 1.0)
        with pytest.raises(RadioDown) as caught:
            await in_time(receiving)
        assert caught.value.cause is Cause.PEER_GONE


async def test_what_arrived_before_the_loss_is_still_received(
    room: Room, guest: GattCentral
) -> None:
    issuer = await Issuer.in_room(room)
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        for number in range(5):
            await connection.write(b"%d" % number)
        await eventually(lambda: connection._notifications.qsize() == 5)
        await issuer.host.kill_bluetoothd()
        await eventually(lambda: connection._lost)
        assert [await in_time(connection.receive()) for _ in range(5)] == [
            b"%d" % number for number in range(5)
        ]
        with pytest.raises(RadioDown):
            await in_time(connection.receive())
        with pytest.raises(RadioDown):
            await in_time(connection.receive())


async def test_the_guests_own_bluetoothd_may_die_at_any_point(
    room: Room, guest: GattCentral
) -> None:
    await Issuer.in_room(room)
    host = room.air.hosts["guest"]
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        receiving = asyncio.create_task(connection.receive())
        await asyncio.sleep(0)
        await host.kill_bluetoothd()
        with pytest.raises(RadioDown) as caught:
            await in_time(receiving)
        assert caught.value.cause is Cause.NO_BLUETOOTHD
        with pytest.raises(RadioDown):
            await connection.write(b"into the void")
    with pytest.raises(RadioDown) as caught:
        await guest.find(BY_NAME, PATIENCE_SECONDS)
    assert caught.value.cause is Cause.NO_BLUETOOTHD
    await host.start_bluetoothd()
    handle = await found_again(guest)
    searching = asyncio.create_task(guest.find(IssuerMark(name="Nobody"), PATIENCE_SECONDS))
    await asyncio.sleep(0.05)
    await host.kill_bluetoothd()
    with pytest.raises(RadioDown) as caught:
        await in_time(searching)
    assert caught.value.cause is Cause.NO_BLUETOOTHD
    await host.start_bluetoothd()
    await found_again(guest)
    async with guest.connect(handle) as connection:
        await connection.write(b"alive")
        assert await in_time(connection.receive()) == b"alive"


async def found_again(guest: GattCentral) -> str:
    """The issuer's address, as soon as the radio is back."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await guest.find(BY_NAME, PATIENCE_SECONDS)
            except RadioDown as down:
                if down.cause not in (Cause.NO_BLUETOOTHD, Cause.NO_ADAPTER, Cause.NO_BUS):
                    raise
            await asyncio.sleep(0.02)


async def test_the_guests_bus_may_die_and_come_again(room: Room, guest: GattCentral) -> None:
    await Issuer.in_room(room)
    host = room.air.hosts["guest"]
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        receiving = asyncio.create_task(connection.receive())
        await asyncio.sleep(0)
        await room.kill_bus(host)
        with pytest.raises(RadioDown):
            await in_time(receiving)
    with pytest.raises(RadioDown) as caught:
        await guest.find(BY_NAME, PATIENCE_SECONDS)
    assert caught.value.cause is Cause.NO_BUS
    await host.start()
    await found_again(guest)


async def test_an_issuer_that_never_stops_talking_is_hung_up_on(
    room: Room, guest: GattCentral
) -> None:
    issuer = await Issuer.in_room(room)
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        await connection.write(b"hello")
        device = issuer.written[0].device
        for _ in range(4):
            await issuer.server.notify(device, [b"blah"] * 100)
        await eventually(lambda: connection._lost)
        assert connection._notifications.qsize() == MOST_NOTIFICATIONS_WAITING + 1


async def test_a_guest_that_gives_up_leaves_no_scan_and_no_connection(
    room: Room, guest: GattCentral
) -> None:
    await Issuer.in_room(room)
    controller = await room.controller(room.air.hosts["guest"])
    searching = asyncio.create_task(guest.find(IssuerMark(name="Nobody"), PATIENCE_SECONDS))
    await eventually(lambda: controller.require_ready().discovering)
    searching.cancel()
    await asyncio.gather(searching, return_exceptions=True)
    await eventually(lambda: not controller.require_ready().discovering)
    await give_up_connecting(guest, after_seconds=0.05)
    before = open_files()
    for turns in range(20):
        await give_up_connecting(guest, after_seconds=turns * 0.005)
    assert open_files() <= before + 1
    async with guest.connect(await guest.find(BY_NAME, PATIENCE_SECONDS)) as connection:
        await connection.write(b"hello")
        assert await in_time(connection.receive()) == b"hello"


async def give_up_connecting(guest: GattCentral, after_seconds: float) -> None:
    handle = await guest.find(BY_NAME, PATIENCE_SECONDS)
    entering = asyncio.create_task(guest.connect(handle).__aenter__())
    await asyncio.sleep(after_seconds)
    entering.cancel()
    await in_time(asyncio.gather(entering, return_exceptions=True))
