"""The connection itself: bursts that both libraries choke on, and ends that are noticed."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from blelockd.adapters.bluez.dbus import backlog, connect, disconnect, lost, plain
from blelockd.virtual.private_bus import PrivateBus
from tests.adapters.bluez.door_on_a_bus import DOOR, LOCK, on_a_bus


async def test_a_burst_of_signals_leaves_in_its_order_and_keeps_the_connection(
    tmp_path: Path,
) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        await caller.follow()
        os.kill(caller.daemon_pid, signal.SIGSTOP)  # however fast it is, the socket fills
        try:
            for number in range(3_000):
                served.tree.publish(DOOR, LOCK, Name=f"{number:>5000}")
            assert backlog(served.bus) > 0, "the burst was too small to fill the socket"
        finally:
            os.kill(caller.daemon_pid, signal.SIGCONT)
        async with asyncio.timeout(20):
            while len(caller.signals) < 3_000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert served.bus.connected
        numbers = [int(plain(each.body[1])["Name"]) for each in caller.signals]
        assert numbers == list(range(3_000))
        assert backlog(served.bus) == 0


async def test_the_end_of_a_bus_is_noticed(tmp_path: Path) -> None:
    async with PrivateBus(tmp_path) as private:
        bus = await connect(private.address)
        waiting = asyncio.ensure_future(lost(bus))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert isinstance(await asyncio.wait_for(waiting, 5), (EOFError, OSError))
    await disconnect(bus)
    with pytest.raises(OSError):
        await connect(private.address)
