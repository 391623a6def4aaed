"""Hosts as machines: their own buses, adapters that come and go, a bluetoothd that dies."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.exported import DBusFault
from blelockd.virtual.host import AddressKind, Plugged
from blelockd.virtual.hosts import VirtualAir
from tests.checkout import ROOT
from tests.virtual.application import Application
from tests.virtual.bleaks import scanning
from tests.virtual.programs import manufacturer, program, until

ADAPTER = "org.bluez.Adapter1"
HCI0 = "/org/bluez/hci0"


async def test_one_host_does_not_see_the_others_bus(air: VirtualAir) -> None:
    here, there = await air.add_host("here"), await air.add_host("there")
    async with program(here) as one, program(there) as other:
        addresses = [(await each.objects())[HCI0][ADAPTER]["Address"] for each in (one, other)]
        await one.listen()
        one.signals.clear()
        await other.advertise(ManufacturerData=manufacturer(b"token"))
        await asyncio.sleep(0.1)
    assert addresses == [here.address(), there.address()]
    assert addresses[0] != addresses[1]
    assert here.bus_address != there.bus_address
    assert one.signals == []


async def test_an_adapter_is_pulled_out_and_comes_back(air: VirtualAir) -> None:
    host = await air.add_host("host", 2)
    captured: list[str] = []
    air.capture(lambda advert: captured.append(advert.address))
    async with program(host) as running:
        await running.listen()
        await running.advertise(ManufacturerData=manufacturer(b"token"))
        await Application(running).register()
        plugged = host.remove_adapter("hci0")
        await until(
            lambda: [each.body for each in running.signals if each.member == "InterfacesRemoved"]
        )
        assert HCI0 not in await running.objects()
        assert "/org/bluez/hci1" in await running.objects()
        await until(lambda: "/test/advert" not in running.tree)  # BlueZ called Release
        captured.clear()
        host.plug_adapter(plugged)
        await until(lambda: any(each.member == "InterfacesAdded" for each in running.signals))
        await running.advertise(ManufacturerData=manufacturer(b"again"))
        await until(lambda: plugged.address in captured)


async def test_an_adapter_that_is_off_does_not_speak(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    async with program(phone) as sender, scanning(air, door) as heard:
        await sender.advertise(ManufacturerData=manufacturer(b"token"))
        await heard.device(phone.address())
        phone.power_adapter(on=False)
        await asyncio.sleep(0.1)
        count = len(heard.adverts)
        await asyncio.sleep(0.3)
        assert len(heard.adverts) == count
        phone.power_adapter(on=True)
        await until(lambda: len(heard.adverts) > count)


async def test_an_adapter_that_is_off_does_not_listen(air: VirtualAir) -> None:
    door = await air.add_host("door")
    async with program(door) as reader:
        await reader.listen()
        await reader.call(HCI0, ADAPTER, "StartDiscovery")
        door.power_adapter(on=False)
        await until(lambda: reader.changes("Powered") == [False])
        assert reader.changes("Discovering") == [True, False]
        assert air.inject("C0:00:00:00:00:01", b"\x02\x01\x06", -50) == 0
        with pytest.raises(DBusFault, match="NotReady"):
            await reader.call(HCI0, ADAPTER, "StartDiscovery")
        door.power_adapter(on=True)
        await until(lambda: reader.changes("Powered") == [False, True])
        await reader.call(HCI0, ADAPTER, "StartDiscovery")


async def test_powered_is_a_property_that_programs_may_set(air: VirtualAir) -> None:
    host = await air.add_host("host")
    async with program(host) as running:
        properties = "org.freedesktop.DBus.Properties"
        off = (HCI0, properties, "Set", "ssv", ADAPTER, "Powered", Variant("b", False))
        await running.call(*off)
        assert (await running.objects())[HCI0][ADAPTER]["Powered"] is False


async def test_bluetoothd_is_shot_and_comes_back(air: VirtualAir) -> None:
    host = await air.add_host("host")
    captured: list[object] = []
    air.capture(captured.append)
    async with program(host) as running:
        await running.listen()

        def owners() -> list[str]:
            told = [each for each in running.signals if each.member == "NameOwnerChanged"]
            return [each.body[2] for each in told]

        await running.advertise(ManufacturerData=manufacturer(b"token"))
        await until(lambda: captured)
        before = host.bluetoothd_pid
        await host.kill_bluetoothd()
        await until(lambda: owners() == [""])
        captured.clear()
        with pytest.raises(DBusFault, match=r"ServiceUnknown|NameHasNoOwner"):
            await running.objects()
        await host.start_bluetoothd()
        assert host.bluetoothd_pid != before
        await until(lambda: len(owners()) == 2 and owners()[1])
        assert captured == []
        running.tree.remove("/test/advert")
        await running.advertise(ManufacturerData=manufacturer(b"again"))
        await until(lambda: captured)


async def test_a_bus_that_dies_takes_its_bluetoothd_along(air: VirtualAir) -> None:
    host = await air.add_host("host")
    async with program(host) as running:
        await host.kill_bus()
        await until(lambda: not running.bus.connected)
    assert host.bluetoothd_pid is None
    await host.start()
    async with program(host) as running:
        assert HCI0 in await running.objects()


async def test_adapters_are_told_apart_by_their_kind_of_address(air: VirtualAir) -> None:
    chosen = Plugged("hci7", "C0:00:00:00:00:77", AddressKind.RANDOM)
    host = await air.add_host("host", [chosen, air.new_adapter("hci1")])
    async with program(host) as running:
        objects = await running.objects()
    assert objects["/org/bluez/hci7"][ADAPTER]["AddressType"] == "random"
    assert objects["/org/bluez/hci1"][ADAPTER]["AddressType"] == "public"
    assert host.address("hci7") == "C0:00:00:00:00:77"


async def test_every_object_describes_itself(air: VirtualAir) -> None:
    host = await air.add_host("host", experimental=True)
    async with program(host) as running:
        node = await running.bus.introspect("org.bluez", HCI0)
        names = {interface.name for interface in node.interfaces}
        root = await running.bus.introspect("org.bluez", "/org/bluez")
    assert {
        ADAPTER,
        "org.bluez.GattManager1",
        "org.bluez.LEAdvertisingManager1",
        "org.bluez.AdvertisementMonitorManager1",
    } <= names
    assert [child.name for child in root.nodes] == ["hci0"]


async def test_every_advert_of_a_flood_reaches_bleak(air: VirtualAir) -> None:
    door = await air.add_host("door")

    def payload(number: int) -> bytes:
        return b"\x07\xff\xff\xff" + number.to_bytes(4, "big")

    async with scanning(air, door) as heard:
        report = await air.flood(devices=100, per_second=2_000, seconds=1, payload=payload)
        await until(lambda: len(set(heard.payloads())) == report.adverts)
    # how many a second is for this machine to say: make bench
    assert report.heard == report.adverts > 100
    assert air.air.counts.dropped == 0


async def test_a_host_that_cannot_start_leaves_no_other_half_started(air: VirtualAir) -> None:
    with pytest.raises(ValueError, match="no name"):
        await air.add_hosts({"door": {}, "no name": {}})
    assert air.hosts["door"].bluetoothd_pid is None
    assert not [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]


CHILD = """
import asyncio, sys
from blelockd.virtual.hosts import VirtualAir
async def main():
    async with VirtualAir() as air:
        host = await air.add_host("host")
        print(host.bluetoothd_pid, host.bus_address.removeprefix("unix:path="), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_nothing_outlives_a_parent_that_is_killed() -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    pid, path = (await asyncio.wait_for(child.stdout.readline(), 20)).split()
    child.send_signal(signal.SIGKILL)
    await child.wait()
    await until(lambda: not Path(f"/proc/{int(pid)}/cmdline").exists() or is_zombie(int(pid)))
    await until(lambda: not accepts(path.decode()))
    left = Path(path.decode()).parent
    async with VirtualAir():
        assert not left.exists()


def is_zombie(pid: int) -> bool:
    """Whether it only waits for init to fetch it."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def accepts(path: str) -> bool:
    """Whether somebody listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


async def test_nothing_is_left_behind() -> None:
    async with VirtualAir() as air:
        host = await air.add_host("host")
        directory = Path(host.bus_address.removeprefix("unix:path=")).parent
        pid = host.bluetoothd_pid
        assert directory.is_dir()
        assert pid is not None
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
