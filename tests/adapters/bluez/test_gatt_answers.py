"""An answer goes to the guest who asked, and to nobody else as far as BlueZ allows."""

from __future__ import annotations

import pytest

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.defs import GATT_CHARACTERISTIC
from blelockd.adapters.bluez.errors import Cause, RadioDown
from tests.adapters.bluez.other_guest import OtherGuest
from tests.adapters.bluez.provisioning_room import (
    BOTH_RELEASES,
    BOTH_ROUTES,
    PATH,
    guest,
    open_issuer,
    received,
    refused,
)
from tests.adapters.bluez.room import Room, ask, eventually


async def test_only_the_writer_can_read_the_answer_and_only_once(room: Room) -> None:
    issuer = await open_issuer(room, mtu=64)
    answer = bytes(range(256)) + b"end"
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"hello")
        device = await issuer.writer()
        issuer.server.offer(device + "0", answer)
        assert await connection.read() == b""
        issuer.server.offer(device, answer)
        assert await connection.read() == answer
        assert await connection.read() == b""
        issuer.server.offer(device, answer)
        issuer.server.offer(device, b"")
        assert await connection.read() == b""


async def test_what_is_offered_to_too_many_is_forgotten_oldest_first(room: Room) -> None:
    issuer = await open_issuer(room)
    for number in range(100):
        issuer.server.offer(f"/org/bluez/hci0/dev_{number}", b"answer")
    assert len(issuer.server._offers) == 16
    assert "/org/bluez/hci0/dev_99" in issuer.server._offers


@BOTH_ROUTES
async def test_without_a_subscriber_the_answer_is_not_sent(room: Room, sockets: bool) -> None:
    issuer = await open_issuer(room, sockets=sockets)
    with pytest.raises(RadioDown) as caught:
        await issuer.server.notify("/org/bluez/hci0/dev_00_00_00_00_00_00", [b"x"])
    assert caught.value.cause is Cause.NOBODY_SUBSCRIBED


@BOTH_ROUTES
async def test_an_answer_to_a_guest_who_left_is_not_sent(room: Room, sockets: bool) -> None:
    issuer = await open_issuer(room, sockets=sockets)
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"hello")
        device = await issuer.writer()
    await refused(lambda: issuer.server.notify(device, [b"x"]))


@BOTH_RELEASES
@BOTH_ROUTES
async def test_no_local_stranger_hears_an_answer(
    room: Room, sockets: bool, release: tuple[int, int]
) -> None:
    issuer = await open_issuer(room, sockets=sockets, release=release)
    stranger = await room.stranger(room.air.hosts["issuer"])
    overheard: list[str] = []

    def overhear(message: dbus.Message) -> None:
        overheard.append(str(message.body))

    stranger.add_message_handler(overhear)
    await ask(
        stranger,
        *("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch"),
        *("s", "type='signal'"),
    )
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"hello")
        await issuer.server.notify(await issuer.writer(), [b"the secret answer"])
        assert await received(connection, 1) == [b"the secret answer"]
    await ask(stranger, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId")
    assert overheard
    assert not any("secret" in each or str(list(b"secret")) in each for each in overheard)


@BOTH_RELEASES
async def test_of_two_guests_the_writer_is_answered_and_on_new_bluez_nobody_else(
    room: Room, release: tuple[int, int]
) -> None:
    issuer = await open_issuer(room, release=release)
    other_host = await room.air.add_host("other")
    other = OtherGuest(await room.stranger(other_host))
    characteristic = await other.subscribe(room.air.hosts["issuer"].address())
    async with guest(room, await room.air.add_host("guest")) as connection:
        await connection.write(b"hello")
        first = await issuer.writer()
        await issuer.server.notify(first, [b"for the first"])
        assert await received(connection, 1) == [b"for the first"]
        await other.call(characteristic, GATT_CHARACTERISTIC, "WriteValue", "aya{sv}", b"me", {})
        await eventually(lambda: len(issuer.writes) == 2)
        await issuer.server.notify(issuer.writes[1].device, [b"for the other"])
        await eventually(lambda: b"for the other" in other.notified)
        overheard = b"for the first" in other.notified
        assert overheard is (release < (5, 80))


async def test_a_local_stranger_is_not_served(room: Room) -> None:
    issuer = await open_issuer(room)
    stranger = await room.stranger(room.air.hosts["issuer"])
    device = "/org/bluez/hci0/dev_00_1B_DC_00_00_63"
    issuer.server.offer(device, b"secret")
    options = {"device": dbus.Variant("o", device)}
    for member, signature, body in (
        ("ReadValue", "a{sv}", (options,)),
        ("WriteValue", "aya{sv}", (b"x", options)),
        ("AcquireNotify", "a{sv}", (options,)),
        ("StartNotify", "", ()),
    ):
        name = issuer.controller.bus.unique_name
        answer = await ask(stranger, name, PATH, GATT_CHARACTERISTIC, member, signature, *body)
        assert answer.error_name == "org.freedesktop.DBus.Error.AccessDenied"
    assert issuer.writes == []
