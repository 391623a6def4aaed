"""What a scanner hears: real bleak against the virtual air."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.exported import DBusFault, Property
from blelockd.virtual.hosts import Capture, VirtualAir
from tests.virtual.bleaks import scanning
from tests.virtual.programs import manufacturer, program, text, until


async def test_an_active_scanner_hears_advert_and_scan_response(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    async with program(phone) as sender, scanning(air, door) as heard:
        await sender.advertise(
            ManufacturerData=manufacturer(b"token"),
            ServiceUUIDs=Property("as", ["180D"]),
            LocalName=text("Unlocker"),
        )
        device = await heard.device(phone.address())
        await until(lambda: heard.payloads() == [b"token"] * len(heard.adverts))
    advert = heard.adverts[0][1]
    assert device.name == advert.local_name == "Unlocker"
    assert advert.service_uuids == ["0000180d-0000-1000-8000-00805f9b34fb"]


async def test_a_passive_scanner_hears_each_payload_once_and_no_name(air: VirtualAir) -> None:
    phone = await air.add_host("phone")
    door = await air.add_host("door", experimental=True)
    air.set_noise("phone", "door", 3)
    async with program(phone) as sender, scanning(air, door, passive=True) as heard:
        await sender.advertise(ManufacturerData=manufacturer(b"1"), LocalName=text("Unlocker"))
        await until(heard.payloads)
        await asyncio.sleep(0.5)  # some five more adverts of the same payload
        sender.change_advert(ManufacturerData={0xFFFF: Variant("ay", b"2")})
        await until(lambda: b"2" in heard.payloads())
    assert heard.payloads() == [b"1", b"2"]
    assert {advert.local_name for _, advert in heard.adverts} <= {None, ""}


async def test_passive_scanning_leaves_other_companies_out(air: VirtualAir) -> None:
    door = await air.add_host("door", experimental=True)
    async with scanning(air, door, passive=True) as heard:
        air.inject("C0:00:00:00:00:01", b"\x05\xff\x4c\x00\x01\x02", -50)
        air.inject("C0:00:00:00:00:02", b"\x05\xff\xff\xff\x01\x02", -50)
        await heard.device("C0:00:00:00:00:02")
    assert [device.address for device, _ in heard.adverts] == ["C0:00:00:00:00:02"]


async def test_passive_scanning_needs_experimental_mode(air: VirtualAir) -> None:
    door = await air.add_host("door")
    with pytest.raises(Exception, match=r"(?i)passive|monitor"):
        async with scanning(air, door, passive=True):
            pass


async def test_only_what_fits_in_31_bytes_is_advertised(air: VirtualAir) -> None:
    phone = await air.add_host("phone")
    flags = Property("b", True)
    async with program(phone) as sender:
        await sender.advertise(ManufacturerData=manufacturer(bytes(24)), Discoverable=flags)
        with pytest.raises(DBusFault) as refusal:
            await sender.advertise(
                "/test/long", ManufacturerData=manufacturer(bytes(25)), Discoverable=flags
            )
    assert refusal.value.name == "org.bluez.Error.Failed"


async def test_the_seeds_token_advert_is_exactly_31_bytes(air: VirtualAir) -> None:
    phone = await air.add_host("phone")
    captured: list[bytes] = []
    air.capture(lambda advert: captured.append(advert.data))
    async with program(phone) as sender:
        await sender.advertise(
            ManufacturerData=manufacturer(bytes(16)),
            ServiceUUIDs=Property("as", ["180D"]),
            Appearance=Property("q", 0x0340),
            LocalName=text("Unlocker"),
            Discoverable=Property("b", True),
        )
        await until(lambda: captured)
    assert len(captured[0]) == 31


async def test_a_change_that_does_not_fit_leaves_the_advert_as_it_was(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    async with program(phone) as sender, scanning(air, door) as heard:
        await sender.advertise(ManufacturerData=manufacturer(b"good"))
        await until(heard.payloads)
        sender.change_advert(ManufacturerData={0xFFFF: Variant("ay", bytes(40))})
        count = len(heard.adverts)
        await until(lambda: len(heard.adverts) > count + 2)
    assert set(heard.payloads()) == {b"good"}


async def test_adverts_of_one_adapter_share_its_address_and_are_merged(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    async with program(phone) as sender, program(door) as reader, scanning(air, door) as heard:
        await sender.advertise("/test/a", ManufacturerData=manufacturer(b"one"))
        await sender.advertise("/test/b", ManufacturerData=manufacturer(b"two", company=0x004C))
        await until(lambda: b"two" in heard.payloads(0x004C) and b"one" in heard.payloads())
        await until(lambda: 2 in [len(advert.manufacturer_data) for _, advert in heard.adverts])
        device = (await reader.devices())[phone.address()]
    assert device["ManufacturerData"] == {0xFFFF: b"one", 0x004C: b"two"}


async def test_two_adverts_of_one_company_overwrite_each_other(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    async with program(phone) as sender, scanning(air, door) as heard:
        await sender.advertise("/test/a", ManufacturerData=manufacturer(b"issuer"))
        await sender.advertise("/test/b", ManufacturerData=manufacturer(b"token"))
        await until(lambda: len({*heard.payloads()}) == 2)
    assert all(len(advert.manufacturer_data) == 1 for _, advert in heard.adverts)


async def test_rssi_follows_the_distance_and_silence_lies_beyond(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    air.set_distance("phone", "door", metres=10)
    async with program(phone) as sender, scanning(air, door) as heard:
        await sender.advertise(ManufacturerData=manufacturer(b"token"))
        await until(lambda: -75 in heard.rssi_dbm())
        air.set_rssi("phone", "door", -42)
        await until(lambda: -42 in heard.rssi_dbm())
        air.set_distance("phone", "door", metres=1000)
        await asyncio.sleep(0.05)
        count = len(heard.adverts)
        await asyncio.sleep(0.4)
        assert len(heard.adverts) == count
        air.set_distance("phone", "door", metres=1)
        await until(lambda: -55 in heard.rssi_dbm())


async def test_half_of_the_adverts_are_lost_when_the_path_says_so(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone", interval_ms=10), await air.add_host("door")
    async with program(phone) as sender, scanning(air, door):
        await sender.advertise(ManufacturerData=manufacturer(b"token"))
        air.set_loss("phone", "door", 0.5)
        lost, heard = air.air.counts.lost, air.air.counts.deliveries
        await until(lambda: air.air.counts.lost + air.air.counts.deliveries >= lost + heard + 60)
    assert air.air.counts.lost - lost >= 12
    assert air.air.counts.deliveries - heard >= 12


async def test_trixie_hears_the_undiscoverable_only_with_a_real_filter(air: VirtualAir) -> None:
    bookworm = await air.add_host("bookworm", release=(5, 66))
    trixie = await air.add_host("trixie", release=(5, 82))
    hidden, shown = b"\x04\xff\xff\xff\x01", b"\x02\x01\x06\x04\xff\xff\xff\x02"
    scan = ("/org/bluez/hci0", "org.bluez.Adapter1")
    heard: dict[str, set[str]] = {}
    for host in (bookworm, trixie):
        async with program(host) as reader:
            for name, chosen in (("bleak", {}), ("pattern", {"Pattern": Variant("s", "")})):
                filters = {"Transport": Variant("s", "le"), **chosen}
                await reader.call(*scan, "SetDiscoveryFilter", "a{sv}", filters)
                await reader.call(*scan, "StartDiscovery")
                await asyncio.sleep(0.05)
                air.inject("C0:00:00:00:00:01", hidden, -50)
                air.inject("C0:00:00:00:00:02", shown, -50)
                await asyncio.sleep(0.05)
                heard[f"{host.name} {name}"] = {at[-1] for at in await reader.devices()}
                await reader.call(*scan, "StopDiscovery")
                for path, served in (await reader.objects()).items():
                    if "org.bluez.Device1" in served:
                        await reader.call(*scan, "RemoveDevice", "o", path)
    assert heard == {
        "bookworm bleak": {"1", "2"},
        "bookworm pattern": {"1", "2"},
        "trixie bleak": {"2"},
        "trixie pattern": {"1", "2"},
    }


async def test_the_rssi_is_gone_when_discovery_ends(air: VirtualAir) -> None:
    door = await air.add_host("door")
    async with program(door) as reader:
        async with scanning(air, door) as heard:
            air.inject("C0:00:00:00:00:01", b"\x02\x01\x06", -50)
            await heard.device("C0:00:00:00:00:01")
            assert (await reader.devices())["C0:00:00:00:00:01"]["RSSI"] == -50
        assert "RSSI" not in (await reader.devices())["C0:00:00:00:00:01"]


async def test_a_device_that_falls_silent_is_forgotten(air: VirtualAir) -> None:
    door = await air.add_host("door", temporary_seconds=0.2)
    async with program(door) as reader, scanning(air, door) as heard:
        await reader.listen()
        air.inject("C0:00:00:00:00:01", b"\x02\x01\x06", -50)
        await heard.device("C0:00:00:00:00:01")
        await until(lambda: any(each.member == "InterfacesRemoved" for each in reader.signals))
        assert not await reader.devices()


async def test_a_captured_advert_is_replayed_from_elsewhere(air: VirtualAir) -> None:
    phone, door = await air.add_host("phone"), await air.add_host("door")
    captured: list[Capture] = []
    stop = air.capture(captured.append)
    async with program(phone) as sender, scanning(air, door) as heard:
        await sender.advertise(ManufacturerData=manufacturer(b"token"))
        await until(lambda: captured)
        stop()
        await heard.device(phone.address())
        assert air.replay(captured[0], -33) == 1
        await until(lambda: -33 in heard.rssi_dbm())
    assert captured[0].address == phone.address()


async def test_intervals_are_for_experimental_mode_only(air: VirtualAir) -> None:
    plain = await air.add_host("plain", interval_ms=1280)
    bold = await air.add_host("bold", interval_ms=1280, experimental=True)
    counts = {plain.address(): 0, bold.address(): 0}

    def count(advert: object) -> None:
        counts[getattr(advert, "address", "")] += 1

    air.capture(count)
    interval = {"MinInterval": Property("u", 20), "MaxInterval": Property("u", 20)}
    async with program(plain) as one, program(bold) as other:
        await one.advertise(ManufacturerData=manufacturer(b"1"), **interval)
        await other.advertise(ManufacturerData=manufacturer(b"2"), **interval)
        await until(lambda: counts[bold.address()] >= 10)
    assert counts[plain.address()] == 1


@pytest.mark.parametrize("kind", ["random", "private"])
async def test_an_adapter_may_hide_behind_a_random_address(air: VirtualAir, kind: str) -> None:
    phone = await air.add_host("phone", [air.new_adapter(kind=kind)], rotation_seconds=0.3)
    door = await air.add_host("door")
    async with program(phone) as sender, program(door) as reader, scanning(air, door) as heard:
        await sender.advertise(ManufacturerData=manufacturer(b"token"))
        await until(lambda: len({device.address for device, _ in heard.adverts}) >= 1)
        if kind == "private":
            await until(lambda: len({device.address for device, _ in heard.adverts}) >= 2)
        devices = await reader.devices()
    assert {device["AddressType"] for device in devices.values()} == {"random"}
    assert (phone.address() in devices) is (kind == "random")


async def test_a_dead_client_leaves_no_advert_behind(air: VirtualAir) -> None:
    phone = await air.add_host("phone")
    captured: list[object] = []
    air.capture(captured.append)
    manager = ("/org/bluez/hci0", "org.bluez.LEAdvertisingManager1")
    async with program(phone) as reader:
        async with program(phone) as sender:
            await sender.advertise(ManufacturerData=manufacturer(b"token"))
            objects = await reader.objects()
            assert objects[manager[0]][manager[1]]["ActiveInstances"] == 1
        await asyncio.sleep(0.05)
        objects = await reader.objects()
        assert objects[manager[0]][manager[1]]["ActiveInstances"] == 0
        count = len(captured)
        await asyncio.sleep(0.3)
        assert len(captured) == count


async def test_an_advert_with_a_timeout_is_released_when_it_runs_out(air: VirtualAir) -> None:
    phone = await air.add_host("phone")
    async with program(phone) as sender:
        limited = Property("q", 1)
        await sender.advertise(ManufacturerData=manufacturer(b"token"), Timeout=limited)
        await until(lambda: "/test/advert" not in sender.tree)
        await sender.advertise(ManufacturerData=manufacturer(b"again"))
