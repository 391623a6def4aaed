"""Deafness is noticed, named and mended, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from blelockd.adapters.bluez import bleak_versions
from blelockd.adapters.bluez.defs import ADAPTER
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.bluez.observer import Observer, ScanMode
from tests.adapters.bluez.listening_lock import BOTH_MODES, Lock
from tests.adapters.bluez.room import (
    COMPANY,
    Room,
    ask,
    eventually,
    goes_down,
    open_files,
)


@BOTH_MODES
async def test_a_killed_bluetoothd_is_named_and_the_next_one_is_heard(
    room: Room, mode: ScanMode
) -> None:
    lock = await Lock.in_room(room, mode)
    for round_number in range(3):
        async with lock.observer:
            await lock.hears(b"before %d" % round_number)
            await lock.host.kill_bluetoothd()
            await goes_down(lock.controller, Cause.NO_BLUETOOTHD)
            with pytest.raises(RadioDown) as caught:
                await lock.observer.alive()
            assert caught.value.cause is Cause.NO_BLUETOOTHD
        with pytest.raises(RadioDown):
            await lock.observer.__aenter__()
        await lock.host.start_bluetoothd()
        await lock.controller.wait_ready()
        await eventually(lambda: lock.controller.require_ready().has_monitors)
        async with lock.observer:
            await lock.observer.alive()
            await lock.hears(b"after %d" % round_number)


async def test_a_restart_that_nobody_saw_is_noticed(room: Room) -> None:
    lock = await Lock.in_room(room)
    async with lock.observer:
        await lock.host.kill_bluetoothd()
        await lock.host.start_bluetoothd()
        await lock.controller.wait_ready()
        with pytest.raises(RadioDown) as caught:
            await lock.observer.alive()
        assert caught.value.cause is Cause.SCAN_STOPPED


@BOTH_MODES
async def test_a_pulled_adapter_is_named_and_heard_again_when_plugged_in(
    room: Room, mode: ScanMode
) -> None:
    lock = await Lock.in_room(room, mode)
    async with lock.observer:
        await lock.hears(b"before")
        plugged = lock.host.remove_adapter()
        await goes_down(lock.controller, Cause.NO_ADAPTER)
        with pytest.raises(RadioDown) as caught:
            await lock.observer.alive()
        assert caught.value.cause is Cause.NO_ADAPTER
    lock.host.plug_adapter(plugged)
    await lock.controller.wait_ready()
    await eventually(lambda: lock.controller.require_ready().has_monitors)
    async with lock.observer:
        await lock.hears(b"after")


@BOTH_MODES
async def test_a_powered_off_adapter_is_named_and_heard_again_when_on(
    room: Room, mode: ScanMode
) -> None:
    lock = await Lock.in_room(room, mode)
    async with lock.observer:
        await lock.hears(b"before")
        lock.host.power_adapter(on=False)
        await goes_down(lock.controller, Cause.ADAPTER_OFF)
        with pytest.raises(RadioDown) as caught:
            await lock.observer.alive()
        assert caught.value.cause is Cause.ADAPTER_OFF
    await lock.controller.wait_ready()
    async with lock.observer:
        await lock.hears(b"after")


async def test_a_lost_bus_is_named(room: Room) -> None:
    lock = await Lock.in_room(room)
    async with lock.observer:
        await room.kill_bus(lock.host)
        await goes_down(lock.controller, Cause.NO_BUS)
        with pytest.raises(RadioDown) as caught:
            await lock.observer.alive()
        assert caught.value.cause is Cause.NO_BUS


async def test_bleaks_own_dead_connection_is_noticed(room: Room) -> None:
    """bleak 0.20 does not: the scanner just falls silent."""
    lock = await Lock.in_room(room)
    async with lock.observer:
        await lock.hears(b"before")
        await bleak_versions.forget_bus()
        assert lock.controller.down is None
        with pytest.raises(RadioDown) as caught:
            await lock.observer.alive()
        assert caught.value.cause is Cause.NO_BUS
    async with lock.observer:
        await lock.hears(b"after")


async def test_a_hung_bluetoothd_is_named(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blelockd.adapters.bluez.observer.PROOF_SECONDS", 0.2)
    monkeypatch.setattr("blelockd.adapters.bluez.observer.STEP_SECONDS", 0.2)
    lock = await Lock.in_room(room)
    pid = lock.host.bluetoothd_pid
    assert pid is not None
    async with lock.observer:
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(RadioDown) as caught:
                await lock.observer.alive()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert caught.value.cause is Cause.NO_ANSWER


async def test_a_scan_that_somebody_ended_is_noticed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blelockd.adapters.bluez.observer.IDLE_SECONDS", 0.0)
    lock = await Lock.in_room(room, ScanMode.ACTIVE)
    async with lock.observer:
        await lock.observer.alive()
        scan = lock.observer._scan
        assert scan is not None
        assert scan._scanner is not None
        await scan._scanner.stop()
        await eventually(lambda: not lock.controller.require_ready().discovering)
        await lock.observer.alive()  # the property follows the scan by a moment
        with pytest.raises(RadioDown) as caught:
            await lock.observer.alive()
        assert caught.value.cause is Cause.SCAN_STOPPED


async def test_a_local_stranger_cannot_end_the_scan(room: Room) -> None:
    lock = await Lock.in_room(room, ScanMode.ACTIVE)
    stranger = await room.stranger(lock.host)
    async with lock.observer:
        path = lock.controller.path
        answer = await ask(stranger, "org.bluez", path, ADAPTER, "StopDiscovery")
        assert answer.error_name == "org.bluez.Error.Failed"
        await lock.observer.alive()
        await lock.hears(b"still")


@BOTH_MODES
async def test_after_a_long_silence_the_scan_is_begun_anew(room: Room, mode: ScanMode) -> None:
    lock = await Lock.in_room(room, mode)
    lock.observer = Observer(
        lock.controller, mode, COMPANY, lock.sightings.append, silence_seconds=0
    )
    async with lock.observer:
        for round_number in range(5):
            await lock.observer.alive()
            await lock.observer.alive()
            await lock.hears(b"round %d" % round_number)
        assert lock.observer.begun_anew >= 5


async def test_a_hundred_scans_leave_nothing_behind(room: Room) -> None:
    lock = await Lock.in_room(room)
    async with lock.observer:
        pass
    before = open_files(), len(asyncio.all_tasks())
    for _ in range(100):
        async with lock.observer:
            pass
    for _ in range(20):
        async with lock.observer:
            await bleak_versions.forget_bus()
    async with lock.observer:
        await lock.hears(b"still")
    assert open_files() <= before[0] + 1
    assert len(asyncio.all_tasks()) <= before[1] + 1


async def test_a_cancelled_start_leaves_no_scan_behind(room: Room) -> None:
    lock = await Lock.in_room(room, ScanMode.ACTIVE)
    for turns in range(30):
        starting = asyncio.create_task(lock.observer.__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        starting.cancel()
        results = await asyncio.gather(starting, return_exceptions=True)
        if not isinstance(results[0], asyncio.CancelledError):
            await lock.observer.__aexit__(None, None, None)
        await eventually(lambda: not lock.controller.require_ready().discovering)
    async with lock.observer:
        await lock.hears(b"at last")


async def test_a_hung_bluetoothd_is_not_asked_to_stop(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blelockd.adapters.bluez.observer.PROOF_SECONDS", 0.1)
    lock = await Lock.in_room(room)
    pid = lock.host.bluetoothd_pid
    assert pid is not None
    asked: list[None] = []
    async with lock.observer:
        scan = lock.observer._scan
        assert scan is not None
        monkeypatch.setattr(scan._scanner, "stop", lambda: asked.append(None))
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(RadioDown):
            await lock.observer.alive()
    os.kill(pid, signal.SIGCONT)
    assert asked == []
    await eventually(lambda: lock.controller.down is None)
    async with lock.observer:
        await lock.hears(b"again")
