"""One advertisement on the air, whose payload rolls without leaving the air."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.adapters.bluez.broadcaster import (
    LARGEST_ADVERT_BYTES,
    Advertisement,
    LeBroadcaster,
)
from blelockd.adapters.bluez.defs import ADVERTISEMENT, ADVERTISING_MANAGER
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.virtual import advertising_data
from blelockd.virtual.advertising import INSTANCES
from blelockd.virtual.hosts import Capture
from tests.adapters.bluez.room import COMPANY, HEART_RATE, Room, ask, eventually, goes_down

SEEDS_ADVERT = Advertisement(COMPANY, "Unlocker", (HEART_RATE,), 0x0340)


def manufacturer_data(payload: bytes) -> bytes:
    return bytes((len(payload) + 3, 0xFF)) + COMPANY.to_bytes(2, "little") + payload


class Listener:
    """Hears everything on the air."""

    def __init__(self, room: Room) -> None:
        self.captured: list[Capture] = []
        room.air.capture(self.captured.append)

    async def hears(self, payload: bytes) -> Capture:
        """The first advert with that payload from now on."""
        self.captured.clear()
        wanted = manufacturer_data(payload)
        await eventually(lambda: any(wanted in each.data for each in self.captured))
        return next(each for each in self.captured if wanted in each.data)


async def test_a_token_is_on_the_air_with_the_seeds_name_uuid_and_appearance(room: Room) -> None:
    host = await room.air.add_host("guest")
    air = Listener(room)
    broadcaster = LeBroadcaster(await room.controller(host), SEEDS_ADVERT)
    await broadcaster.broadcast(b"T" * 16)
    heard = await air.hears(b"T" * 16)
    assert len(heard.data) == LARGEST_ADVERT_BYTES == SEEDS_ADVERT.size_bytes(16)
    assert b"\x03\x03\x0d\x18" in heard.data
    assert b"\x03\x19\x40\x03" in heard.data
    assert b"Unlocker" in heard.scan_response
    await broadcaster.alive()
    await broadcaster.silence()


async def test_a_rolling_token_is_replaced_in_place(room: Room) -> None:
    host = await room.air.add_host("guest")
    air = Listener(room)
    controller = await room.controller(host)
    broadcaster = LeBroadcaster(controller, SEEDS_ADVERT)
    for slot in range(10):
        await broadcaster.broadcast(bytes((slot,)) * 16)
        await air.hears(bytes((slot,)) * 16)
        count = await controller.bus.get(controller.path, ADVERTISING_MANAGER, "ActiveInstances")
        assert count == 1
    await broadcaster.silence()


async def test_silence_takes_it_off_the_air_and_may_be_repeated(room: Room) -> None:
    host = await room.air.add_host("guest")
    air = Listener(room)
    controller = await room.controller(host)
    broadcaster = LeBroadcaster(controller, SEEDS_ADVERT)
    await broadcaster.silence()
    await broadcaster.broadcast(b"T" * 16)
    await air.hears(b"T" * 16)
    await broadcaster.silence()
    await broadcaster.silence()
    count = await controller.bus.get(controller.path, ADVERTISING_MANAGER, "ActiveInstances")
    assert count == 0
    with pytest.raises(RadioDown) as caught:
        await broadcaster.alive()
    assert caught.value.cause is Cause.RELEASED
    await broadcaster.broadcast(b"U" * 16)
    await air.hears(b"U" * 16)


async def test_what_does_not_fit_is_refused_with_the_remedy_and_leaves_the_air_alone(
    room: Room,
) -> None:
    host = await room.air.add_host("guest")
    air = Listener(room)
    broadcaster = LeBroadcaster(await room.controller(host), SEEDS_ADVERT)
    await broadcaster.broadcast(b"T" * 16)
    with pytest.raises(RadioDown, match="32 bytes does not fit the 31") as caught:
        await broadcaster.broadcast(b"T" * 17)
    assert caught.value.cause is Cause.TOO_LONG
    await air.hears(b"T" * 16)
    with pytest.raises(RadioDown, match="a name of 30 bytes"):
        Advertisement(COMPANY, "x" * 30).check(16)


@given(
    uuids=st.lists(
        st.sampled_from([HEART_RATE, "c0de0001-1111-2222-8000-00805f9b34fb"]), max_size=3
    ),
    appearance=st.none() | st.integers(0, 0xFFFF),
    payload=st.binary(max_size=31),
)
def test_the_size_is_what_bluez_would_build(
    uuids: list[str], appearance: int | None, payload: bytes
) -> None:
    advertisement = Advertisement(COMPANY, "door", tuple(uuids), appearance)
    properties = {
        "Type": "peripheral",
        "Discoverable": True,
        "ServiceUUIDs": uuids,
        "ManufacturerData": {COMPANY: payload},
        **({} if appearance is None else {"Appearance": appearance}),
    }
    built, _ = advertising_data.build(
        properties, discoverable=False, name="hci0", appearance=0, limit=255
    )
    assert advertisement.size_bytes(len(payload)) == len(built)


@pytest.mark.parametrize("experimental", [True, False])
async def test_the_interval_is_set_only_where_bluez_takes_it(
    room: Room, experimental: bool
) -> None:
    host = await room.air.add_host("guest", experimental=experimental, interval_ms=1280)
    air = Listener(room)
    advertisement = Advertisement(COMPANY, min_interval_ms=20, max_interval_ms=30)
    broadcaster = LeBroadcaster(await room.controller(host), advertisement)
    await broadcaster.broadcast(b"T")
    await asyncio.sleep(0.5)
    assert (len(air.captured) > 5) is experimental
    await broadcaster.silence()


async def test_after_a_restart_of_bluetoothd_it_registers_anew_when_told(room: Room) -> None:
    host = await room.air.add_host("guest")
    air = Listener(room)
    controller = await room.controller(host)
    broadcaster = LeBroadcaster(controller, SEEDS_ADVERT)
    await broadcaster.broadcast(b"T" * 16)
    await host.kill_bluetoothd()
    await goes_down(controller, Cause.NO_BLUETOOTHD)
    with pytest.raises(RadioDown) as caught:
        await broadcaster.alive()
    assert caught.value.cause is Cause.NO_BLUETOOTHD
    with pytest.raises(RadioDown):
        await broadcaster.broadcast(b"U" * 16)
    await broadcaster.silence()
    await host.start_bluetoothd()
    await controller.wait_ready()
    with pytest.raises(RadioDown) as caught:
        await broadcaster.alive()
    assert caught.value.cause is Cause.RELEASED
    await broadcaster.broadcast(b"V" * 16)
    await air.hears(b"V" * 16)
    await broadcaster.alive()


async def test_a_pulled_adapter_is_named_and_the_next_one_advertises(room: Room) -> None:
    host = await room.air.add_host("guest")
    air = Listener(room)
    controller = await room.controller(host)
    broadcaster = LeBroadcaster(controller, SEEDS_ADVERT)
    await broadcaster.broadcast(b"T" * 16)
    plugged = host.remove_adapter()
    await goes_down(controller, Cause.NO_ADAPTER)
    with pytest.raises(RadioDown) as caught:
        await broadcaster.broadcast(b"U" * 16)
    assert caught.value.cause is Cause.NO_ADAPTER
    host.plug_adapter(plugged)
    await controller.wait_ready()
    await broadcaster.broadcast(b"V" * 16)
    await air.hears(b"V" * 16)


async def test_no_room_for_another_advertisement_is_named(room: Room) -> None:
    host = await room.air.add_host("guest")
    controllers = [await room.controller(host) for _ in range(2)]
    crowd = [await room.controller(host) for _ in range(INSTANCES)]
    for each in crowd:
        await LeBroadcaster(each, Advertisement(COMPANY)).broadcast(b"x")
    with pytest.raises(RadioDown) as caught:
        await LeBroadcaster(controllers[0], SEEDS_ADVERT).broadcast(b"T" * 16)
    assert caught.value.cause is Cause.NO_ROOM


async def test_a_local_stranger_can_neither_read_nor_release_it(room: Room) -> None:
    host = await room.air.add_host("guest")
    controller, stranger = await room.controller(host), await room.stranger(host)
    broadcaster = LeBroadcaster(controller, SEEDS_ADVERT)
    await broadcaster.broadcast(b"T" * 16)
    path = "/org/blelock/advertising/advertisement0"
    for interface, member, signature, body in (
        (ADVERTISEMENT, "Release", "", ()),
        ("org.freedesktop.DBus.Properties", "GetAll", "s", (ADVERTISEMENT,)),
    ):
        answer = await ask(
            stranger, controller.bus.unique_name, path, interface, member, signature, *body
        )
        assert answer.error_name == "org.freedesktop.DBus.Error.AccessDenied"
    await broadcaster.alive()
