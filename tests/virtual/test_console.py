"""`python -m blelockd.virtual`, as a person plays with it."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from blelockd.adapters.bluez.dbus import connect, disconnect
from blelockd.virtual.console import Console
from blelockd.virtual.hosts import VirtualAir
from tests.checkout import ROOT

MODULE = ("-m", "blelockd.virtual")


@asynccontextmanager
async def air_process(*hosts: str) -> AsyncIterator[tuple[Process, str]]:
    """The command, up; and what it said until then."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *MODULE, *hosts), stdin=DEVNULL, stdout=PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readuntil(b"Ctrl-C ends it.\n"), 20)
        yield process, said.decode()
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_it_prints_buses_that_work_and_leaves_nothing_behind() -> None:
    async with air_process("here", "there:2") as (_, said):
        paths = re.findall(r"DBUS_SYSTEM_BUS_ADDRESS=unix:path=(\S+)", said)
        assert len(paths) == 2
        assert said.count("00:1B:DC:00:00:") == 3
        for path in paths:
            bus = await connect(f"unix:path={path}")
            await bus.introspect("org.bluez", "/org/bluez/hci0")
            await disconnect(bus)
    assert not Path(paths[0]).parent.exists()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", "hosts"),
        ("hosts", "export DBUS_SYSTEM_BUS_ADDRESS=unix:path="),
        ("distance a b 10", "-75 dBm"),
        ("distance a c 10", "There is no 'c'"),
        ("distance a b", "Usage: distance A B METRES"),
        ("distance a b -1", "more than 0 m"),
        ("rssi a b -80", "-80 dBm"),
        ("loss a b 0.25", "25% lost"),
        ("loss a b 2", "0 to 1"),
        ("power a hci0 off", "hci0 of a is off"),
        ("power a hci0 dim", "on or off"),
        ("plug a hci0", "There is no"),
        ("inject c0:00:00:00:00:01 020106 -50", "heard by 0 radios"),
        ("inject home 020106 -50", "no Bluetooth address"),
        ("inject c0:00:00:00:00:01 xyz -50", "Usage: inject"),
        ("dance", "no command 'dance'"),
    ],
)
async def test_a_command_does_it_or_says_why_not(
    two_hosts: Console, line: str, answer: str
) -> None:
    assert answer in await two_hosts.run(line)


@pytest.fixture
async def two_hosts(air: VirtualAir) -> Console:
    """A console on an air with the hosts a and b."""
    await air.add_hosts({"a": {}, "b": {}})
    return Console(air, lambda _line: None)


async def test_what_is_broken_by_hand_is_mended_by_hand(air: VirtualAir) -> None:
    await air.add_host("a")
    shown: list[str] = []
    console = Console(air, shown.append)
    assert await console.run("unplug a hci0") == "hci0 of a is out"
    assert await console.run("plug a hci0") == "hci0 of a is in"
    await console.run("kill a")
    assert "bluetoothd is down" in await console.run("hosts")
    assert "There is no 'a'" in await console.run("power a hci0 off")
    await console.run("start a")
    await console.run("capture on")
    await console.run("inject c0:00:00:00:00:01 020106 -50")
    await console.run("capture off")
    await console.run("inject c0:00:00:00:00:02 020106 -50")
    assert shown == ["C0:00:00:00:00:01 (injected) 020106"]
