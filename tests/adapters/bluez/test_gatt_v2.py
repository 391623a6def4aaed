"""Version 2's service: INFO for each connection, REQ in, RSP out, beside version 1's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sized
from dataclasses import astuple

import pytest

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.broadcaster import LeBroadcaster
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.defs import DEVICE, GATT_CHARACTERISTIC
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.bluez.gatt_endpoints import V2_ENDPOINT
from blelockd.adapters.bluez.gatt_peers import MOST_FOLLOWED
from blelockd.adapters.bluez.gatt_server_v2 import V2GattServer
from blelockd.adapters.bluez.signals import Signal
from blelockd.services.ports import CharacteristicWrite
from tests.adapters.bluez.provisioning_room import (
    BEACON,
    BOTH_RELEASES,
    BOTH_ROUTES,
    Issuer,
    guest,
    received,
    refused,
)
from tests.adapters.bluez.room import Room, ask, eventually, goes_down
from tests.checkout import ROOT

OBJECT = "/org/blelock/gatt2/service0/characteristic%d"


class V2Issuer:
    """A beacon and the service of version 2; each reading of INFO is another."""

    def __init__(self, controller: Controller, *, sockets: bool = True) -> None:
        self.controller = controller
        self.server = V2GattServer(controller, sockets=sockets)
        self.writes: list[CharacteristicWrite] = []
        self.told: list[tuple[str, bytes]] = []
        self.gone: list[str] = []
        self._numbers = itertools.count(1)

    @classmethod
    async def in_room(cls, room: Room, *, sockets: bool = True, **settings: object) -> V2Issuer:
        host = await room.air.add_host("issuer", **settings)  # type: ignore[arg-type]
        issuer = cls(await room.controller(host), sockets=sockets)
        await issuer.start()
        await LeBroadcaster(issuer.controller, BEACON).broadcast(b"issuer")
        return issuer

    async def start(self) -> None:
        await self.server.start(self.info, self.keep, self.gone.append)

    def info(self, device: str) -> bytes:
        said = next(self._numbers).to_bytes(45, "big")
        self.told.append((device, said))
        return said

    async def keep(self, write: CharacteristicWrite) -> None:
        self.writes.append(write)


def test_the_service_has_the_names_of_the_document() -> None:
    document = (ROOT / "docs" / "protocol.md").read_text()
    names = ("service", "INFO", "REQ", "RSP")
    for name, uuid in zip(names, astuple(V2_ENDPOINT), strict=True):
        assert f"| {name} | `{uuid}`" in document


@BOTH_ROUTES
@BOTH_RELEASES
@pytest.mark.parametrize("mtu", [23, 247, 517])
async def test_info_is_read_a_request_written_and_the_answer_notified(
    room: Room, mtu: int, release: tuple[int, int], sockets: bool
) -> None:
    issuer = await V2Issuer.in_room(room, sockets=sockets, mtu=mtu, release=release)
    async with guest(room, await room.air.add_host("guest"), V2_ENDPOINT) as connection:
        assert await connection.read() == (1).to_bytes(45, "big")
        assert await connection.read() == (2).to_bytes(45, "big")
        await connection.write(b"request")
        await eventually(lambda: issuer.writes)
        write = issuer.writes[0]
        assert (write.value, write.mtu) == (b"request", min(mtu, 515))
        assert issuer.told[0][0] == write.device
        frames = [bytes((number,)) * (write.mtu - 3) for number in range(64)]
        await issuer.server.notify(write.device, frames)
        assert await received(connection, 64) == frames


def has_come(things: Sized, times: int) -> Callable[[], bool]:
    """Whether there are so many by now."""
    return lambda: len(things) == times


async def test_a_device_that_leaves_is_told_once_and_may_come_again(room: Room) -> None:
    issuer = await V2Issuer.in_room(room)
    host = await room.air.add_host("guest")
    for visits in (1, 2):
        async with guest(room, host, V2_ENDPOINT) as connection:
            await connection.read()
            await connection.write(b"hello")
            await eventually(has_come(issuer.writes, visits))
        await eventually(has_come(issuer.gone, visits))
    await issuer.server.stop()
    assert issuer.gone == [issuer.writes[0].device] * 2


async def test_a_device_is_sent_away(room: Room) -> None:
    issuer = await V2Issuer.in_room(room)
    async with guest(room, await room.air.add_host("guest"), V2_ENDPOINT) as connection:
        await connection.write(b"hello")
        await eventually(lambda: issuer.writes)
        await issuer.server.disconnect(issuer.writes[0].device)
        down = await refused(lambda: connection.write(b"more"))
        assert down.cause is Cause.PEER_GONE
    await eventually(lambda: issuer.gone)
    await issuer.server.disconnect(issuer.writes[0].device)


async def test_of_many_devices_those_longest_silent_are_followed_no_more(room: Room) -> None:
    issuer = await V2Issuer.in_room(room)
    for number in range(MOST_FOLLOWED + 24):
        issuer.server._peers.follow(f"/org/bluez/hci0/dev_{number}")
        issuer.server._peers.follow("/org/bluez/hci0/dev_0")
    assert len(issuer.gone) == 24
    assert "/org/bluez/hci0/dev_0" not in issuer.gone
    await issuer.server.stop()
    assert len(issuer.gone) == MOST_FOLLOWED + 24


async def test_the_last_signal_of_a_device_that_made_room_is_no_fault(room: Room) -> None:
    """Of a device that is followed no more, what bluetoothd had sent by then still comes."""
    issuer = await V2Issuer.in_room(room)
    peers, device = issuer.server._peers, "/org/bluez/hci0/dev_00_1B_DC_00_00_63"
    peers.follow(device)
    rule, hear = peers._followed[device]
    last = Signal("", device, rule.interface, rule.member, "", (DEVICE, {"Connected": False}, []))
    hear(last)
    hear(last)
    assert issuer.gone == [device]


@BOTH_RELEASES
async def test_both_versions_are_served_beside_each_other(
    room: Room, release: tuple[int, int]
) -> None:
    issuer = await V2Issuer.in_room(room, release=release)
    v1 = Issuer(issuer.controller)
    await v1.server.start(v1.keep)
    host = await room.air.add_host("guest")
    async with guest(room, host, V2_ENDPOINT) as connection:
        await connection.write(b"two")
        await eventually(lambda: issuer.writes)
        await issuer.server.notify(issuer.writes[0].device, [b"sealed"])
        assert await received(connection, 1) == [b"sealed"]
    async with guest(room, host) as connection:
        await connection.write(b"one")
        await v1.server.notify(await v1.writer(), [b"plain"])
        assert await received(connection, 1) == [b"plain"]
    assert [write.value for write in issuer.writes] == [b"two"]


async def test_a_guest_of_version_2_finds_no_service_where_only_version_1_is(room: Room) -> None:
    host = await room.air.add_host("issuer")
    v1 = Issuer(await room.controller(host))
    await v1.start()
    with pytest.raises(RadioDown) as caught:
        async with guest(room, await room.air.add_host("guest"), V2_ENDPOINT):
            pytest.fail("there is nothing to connect to")
    assert caught.value.cause is Cause.NO_SERVICE


async def test_the_service_returns_after_bluetoothd(room: Room) -> None:
    issuer = await V2Issuer.in_room(room)
    await issuer.server.alive()
    host = room.air.hosts["issuer"]
    await host.kill_bluetoothd()
    await goes_down(issuer.controller, Cause.NO_BLUETOOTHD)
    with pytest.raises(RadioDown) as caught:
        await issuer.server.alive()
    assert caught.value.cause is Cause.NO_BLUETOOTHD
    await issuer.server.stop()
    await host.start_bluetoothd()
    await issuer.controller.wait_ready()
    await issuer.start()
    await LeBroadcaster(issuer.controller, BEACON).broadcast(b"issuer")
    async with guest(room, await room.air.add_host("guest"), V2_ENDPOINT) as connection:
        assert len(await connection.read()) == 45


async def test_a_local_stranger_is_not_served(room: Room) -> None:
    issuer = await V2Issuer.in_room(room)
    stranger = await room.stranger(room.air.hosts["issuer"])
    options = {"device": dbus.Variant("o", "/org/bluez/hci0/dev_00_1B_DC_00_00_63")}
    for number, member, signature, body in (
        (0, "ReadValue", "a{sv}", (options,)),
        (1, "WriteValue", "aya{sv}", (b"x", options)),
        (2, "AcquireNotify", "a{sv}", (options,)),
    ):
        name = issuer.controller.bus.unique_name
        where = name, OBJECT % number, GATT_CHARACTERISTIC
        answer = await ask(stranger, *where, member, signature, *body)
        assert answer.error_name == "org.freedesktop.DBus.Error.AccessDenied"
    assert not issuer.writes
    assert not issuer.told
