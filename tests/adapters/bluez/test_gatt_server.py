"""The provisioning characteristic, as guests with real bleak see it from another machine."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.services.ports import CharacteristicWrite
from tests.adapters.bluez.provisioning_room import (
    BOTH_ROUTES,
    Issuer,
    guest,
    open_issuer,
    received,
    refused,
)
from tests.adapters.bluez.room import Room, eventually, goes_down


@BOTH_ROUTES
@pytest.mark.parametrize("mtu", [23, 64, 247, 517])
async def test_a_request_and_its_answer_pass_whatever_the_mtu(
    room: Room, mtu: int, sockets: bool
) -> None:
    issuer = await open_issuer(room, sockets=sockets, mtu=mtu)
    async with guest(room, await room.air.add_host("guest")) as connection:
        request = b"{" + b"r" * 398 + b"}"
        for start in range(0, len(request), connection.largest_write_bytes):
            await connection.write(request[start : start + connection.largest_write_bytes])
        device = await issuer.writer()
        await eventually(lambda: sum(len(each.value) for each in issuer.writes) == len(request))
        assert b"".join(each.value for each in issuer.writes) == request
        told = issuer.writes[0].mtu
        assert told == min(mtu, 515)
        frames = [bytes((number,)) * (told - 3) for number in range(20)]
        await issuer.server.notify(device, frames)
        assert await received(connection, 20) == frames


async def test_the_guests_address_is_found_out(room: Room) -> None:
    issuer = await open_issuer(room)
    host = await room.air.add_host("guest")
    async with guest(room, host) as connection:
        await connection.write(b"hello")
        peer = await issuer.server.identify(await issuer.writer())
    assert str(peer.address) == host.address()
    assert not peer.address_is_random


async def test_a_private_address_is_told_as_random(room: Room) -> None:
    issuer = await open_issuer(room)
    host = await room.air.add_host("guest", [room.air.new_adapter("hci0", "private")])
    async with guest(room, host) as connection:
        await connection.write(b"hello")
        peer = await issuer.server.identify(await issuer.writer())
    assert peer.address is not None
    assert str(peer.address) != host.address()
    assert peer.address_is_random
    assert not peer.address.is_static(random=True)


async def test_who_cannot_be_identified_is_nobody_and_no_error(room: Room) -> None:
    issuer = await open_issuer(room)
    peer = await issuer.server.identify("/org/bluez/hci0/dev_00_00_00_00_00_00")
    assert peer.address is None
    host = room.air.hosts["issuer"]
    await host.kill_bluetoothd()
    assert (await issuer.server.identify("/org/bluez/hci0/dev_00")).address is None


async def test_a_thousand_writes_arrive_in_their_order(room: Room) -> None:
    issuer = await open_issuer(room)
    async with guest(room, await room.air.add_host("guest")) as connection:
        for number in range(1000):
            await connection.write(number.to_bytes(2, "big"))
        await eventually(lambda: len(issuer.writes) == 1000)
    assert [int.from_bytes(each.value, "big") for each in issuer.writes] == list(range(1000))


async def test_bluez_has_its_reply_before_the_request_is_served(room: Room) -> None:
    host = await room.air.add_host("issuer")
    issuer = Issuer(await room.controller(host))
    release = asyncio.Event()

    async def slow(write: CharacteristicWrite) -> None:
        await release.wait()
        await issuer.keep(write)

    await issuer.start(slow)
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"first")
        await connection.write(b"second")
        assert issuer.writes == []
        release.set()
        await eventually(lambda: len(issuer.writes) == 2)


async def test_a_flood_from_one_device_is_refused_and_the_service_goes_on(room: Room) -> None:
    host = await room.air.add_host("issuer")
    issuer = Issuer(await room.controller(host))
    release = asyncio.Event()

    async def slow(write: CharacteristicWrite) -> None:
        await release.wait()
        await issuer.keep(write)

    await issuer.start(slow)
    async with guest(room, await room.air.add_host("guest")) as connection:
        await refused(lambda: connection.write(b"x" * 100))
        release.set()
        await eventually(lambda: issuer.writes)
        kept = len(issuer.writes)
        assert kept < 100
        await connection.write(b"honest")
        await eventually(lambda: issuer.writes[-1].value == b"honest")


async def test_a_fault_in_the_handler_ends_one_write_and_no_more(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    host = await room.air.add_host("issuer")
    issuer = Issuer(await room.controller(host))

    async def stumbles(write: CharacteristicWrite) -> None:
        if write.value == b"banana":
            raise RuntimeError("slipped")
        await issuer.keep(write)

    await issuer.start(stumbles)
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"banana")
        await connection.write(b"hello")
        await eventually(lambda: issuer.writes)
    assert "a written value of 6 bytes was not handled" in caplog.text
    assert "banana" not in caplog.text


async def test_a_killed_bluetoothd_is_named_and_the_service_returns(room: Room) -> None:
    issuer = await open_issuer(room)
    host = room.air.hosts["issuer"]
    await issuer.server.alive()
    await host.kill_bluetoothd()
    await goes_down(issuer.controller, Cause.NO_BLUETOOTHD)
    with pytest.raises(RadioDown) as caught:
        await issuer.server.alive()
    assert caught.value.cause is Cause.NO_BLUETOOTHD
    await issuer.server.stop()
    await host.start_bluetoothd()
    await issuer.controller.wait_ready()
    with pytest.raises(RadioDown) as caught:
        await issuer.server.alive()
    assert caught.value.cause is Cause.RELEASED
    await issuer.start()
    await issuer.server.alive()
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"hello")
        await issuer.server.notify(await issuer.writer(), [b"again"])
        assert await received(connection, 1) == [b"again"]


async def test_stopping_takes_the_service_away_and_may_be_repeated(room: Room) -> None:
    issuer = await open_issuer(room)
    await issuer.server.stop()
    await issuer.server.stop()
    with pytest.raises(RadioDown) as caught:
        async with guest(room, await room.air.add_host("guest")):
            pytest.fail("there is nothing to connect to")
    assert caught.value.cause is Cause.NO_SERVICE
