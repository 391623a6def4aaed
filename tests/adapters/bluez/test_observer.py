"""The lock's ears: what is on the air is heard, passively or actively, on every BlueZ."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.adapters.bluez import bleak_versions
from blelockd.adapters.bluez.broadcaster import Advertisement, LeBroadcaster
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.bluez.observer import ScanMode
from blelockd.services.ports import Sighting
from tests.adapters.bluez.listening_lock import BOTH_MODES, BOTH_RELEASES, STRANGER, Lock, advert
from tests.adapters.bluez.room import (
    COMPANY,
    PATIENCE_SECONDS,
    Room,
    eventually,
)


@BOTH_RELEASES
@BOTH_MODES
async def test_a_token_is_heard_with_its_address_and_its_strength(
    room: Room, mode: ScanMode, release: tuple[int, int]
) -> None:
    lock = await Lock.in_room(room, mode, release=release)
    async with lock.observer:
        await lock.observer.alive()
        assert lock.observer.scanning is mode
        assert await lock.hears(b"T" * 16) == Sighting(b"T" * 16, STRANGER, -60)


@BOTH_RELEASES
@BOTH_MODES
async def test_every_rolling_token_of_a_phone_is_heard(
    room: Room, mode: ScanMode, release: tuple[int, int]
) -> None:
    lock = await Lock.in_room(room, mode, release=release)
    guest = await room.air.add_host("guest", experimental=True)
    room.air.set_distance("guest", "lock", 1)
    phone = LeBroadcaster(
        await room.controller(guest), Advertisement(COMPANY, min_interval_ms=20, max_interval_ms=20)
    )
    async with lock.observer:
        for slot in range(20):
            await phone.broadcast(bytes((slot,)) * 16)
            await eventually(
                lambda: lock.sightings and lock.sightings[-1].payload == bytes((slot,)) * 16,  # noqa: B023
                f"slot {slot}",
            )
    assert {each.address for each in lock.sightings} == {guest.address()}
    assert {each.payload[0] for each in lock.sightings} == set(range(20))


@BOTH_RELEASES
async def test_an_advert_without_the_discoverable_flag_is_heard_actively(
    room: Room, release: tuple[int, int]
) -> None:
    lock = await Lock.in_room(room, ScanMode.ACTIVE, release=release)
    async with lock.observer:
        room.air.inject(STRANGER, advert(b"quiet", flags=b""), -60)
        await eventually(lambda: lock.sightings)
    assert lock.sightings[0].payload == b"quiet"


@BOTH_MODES
async def test_what_is_not_ours_is_not_delivered(room: Room, mode: ScanMode) -> None:
    lock = await Lock.in_room(room, mode)
    async with lock.observer:
        for number in range(50):
            foreign = f"C0:00:00:00:01:{number:02X}"
            room.air.inject(foreign, advert(b"x", company=0x004C), -60)
            room.air.inject(foreign, b"\x02\x01\x06", -60)
        await lock.hears(b"ours")
    assert {each.payload for each in lock.sightings} == {b"ours"}


@pytest.mark.parametrize(("experimental", "mode"), [(True, "passive"), (False, "active")])
async def test_auto_listens_passively_where_bluez_lets_it(
    room: Room, experimental: bool, mode: str
) -> None:
    lock = await Lock.in_room(room, experimental=experimental)
    async with lock.observer:
        assert lock.observer.scanning == mode
        await lock.hears(b"T" * 16)
    assert lock.observer.scanning is None


async def test_passive_without_experimental_is_refused_with_the_remedy(room: Room) -> None:
    lock = await Lock.in_room(room, ScanMode.PASSIVE, experimental=False)
    with pytest.raises(RadioDown, match="run bluetoothd with --experimental") as caught:
        await lock.observer.__aenter__()
    assert caught.value.cause is Cause.NO_EXPERIMENTAL


async def test_auto_turns_active_where_the_monitor_is_not_activated(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lock = await Lock.in_room(room)
    monkeypatch.setattr("blelockd.adapters.bluez.observer.ACTIVATION_SECONDS", 0.0)
    async with lock.observer:
        assert lock.observer.scanning is ScanMode.ACTIVE
        await lock.hears(b"T" * 16)
    assert "bluetoothd did not activate the passive scan" in caplog.text


async def test_adverts_at_their_densest_all_arrive(room: Room) -> None:
    lock = await Lock.in_room(room)
    async with lock.observer:
        sent = 0
        while sent < 2000:  # a machine that is busy sends fewer in a second
            report = await room.air.flood(devices=50, per_second=2000, seconds=0.25)
            assert report.heard == report.adverts
            sent += report.adverts
        await eventually(lambda: len(lock.sightings) == sent)
        await lock.observer.alive()


async def test_phones_that_never_come_back_are_forgotten(room: Room) -> None:
    lock = await Lock.in_room(room, temporary_seconds=0.2)
    async with lock.observer:
        await room.air.flood(devices=500, per_second=2000, seconds=0.5)
        bus = await bleak_versions.BleakBus.open()
        known = bus._manager._properties

        async def forgotten() -> None:
            while sum("dev_" in path for path in known) > 5:
                await lock.observer.alive()
                await asyncio.sleep(0.1)

        async with asyncio.timeout(PATIENCE_SECONDS):
            await forgotten()
        bus.detach()
