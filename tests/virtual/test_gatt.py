"""A central on one host and an application on another: real bleak against the virtual air."""

from __future__ import annotations

import asyncio
import os

import pytest
from bleak.exc import BleakError

from blelockd.adapters.bluez.dbus import Message, MessageType
from blelockd.adapters.bluez.exported import DBusFault
from blelockd.virtual.hosts import Host, VirtualAir
from blelockd.virtual.settings import BOOKWORM, TRIXIE, Release
from tests.virtual.application import ANSWER, REQUEST, SERVICE, Application
from tests.virtual.bleaks import connected, scanning
from tests.virtual.programs import Program, manufacturer, program, until


async def beacon(running: Program, *, acquire: bool = False) -> Application:
    """An application on hci0, and an advert that says so."""
    application = Application(running, acquire=acquire)
    await application.register()
    await running.advertise(ManufacturerData=manufacturer(b"issuer"))
    return application


async def test_a_request_is_written_and_the_answer_notified(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, scanning(air, guest) as heard:
        application = await beacon(running)
        device = await heard.device(issuer.address())
        answers: list[bytes] = []
        async with connected(guest, device) as client:
            assert [service.uuid for service in client.services] == [SERVICE]
            await client.start_notify(ANSWER, lambda _, value: answers.append(bytes(value)))
            await client.write_gatt_char(REQUEST, b"hello", response=True)
            application.notify(b"world")
            await until(lambda: answers)
            writer = (await running.devices())[guest.address()]
        await until(lambda: application.told == ["StartNotify", "StopNotify"])
    assert answers == [b"world"]
    path = f"/org/bluez/hci0/dev_{guest.address().replace(':', '_')}"
    assert application.writes == [
        (b"hello", {"device": path, "link": "LE", "mtu": 517, "type": "request"})
    ]
    assert writer["Connected"] is True


@pytest.mark.parametrize(
    ("release", "mtu", "largest"),
    [(BOOKWORM, 50, 508), (BOOKWORM, 517, 510), (TRIXIE, 50, 512), (TRIXIE, 517, 512)],
)
async def test_a_long_write_arrives_whole_and_a_longer_one_does_not(
    air: VirtualAir, release: Release, mtu: int, largest: int
) -> None:
    issuer = await air.add_host("issuer", mtu=mtu, release=release)
    guest = await air.add_host("guest")
    async with program(issuer) as running, scanning(air, guest) as heard:
        application = await beacon(running)
        device = await heard.device(issuer.address())
        async with connected(guest, device) as client:
            characteristic = client.services.get_characteristic(REQUEST)
            assert characteristic is not None
            assert characteristic.max_write_without_response_size == mtu - 3
            await client.write_gatt_char(REQUEST, bytes(largest), response=True)
            with pytest.raises(BleakError):
                await client.write_gatt_char(REQUEST, bytes(largest + 1), response=True)
            with pytest.raises(BleakError):
                await client.write_gatt_char(REQUEST, bytes(mtu - 2), response=False)
            await client.write_gatt_char(REQUEST, b"command", response=False)
            await until(lambda: len(application.writes) == 2)
    assert [(len(value), how["type"], how["mtu"]) for value, how in application.writes] == [
        (largest, "request", mtu),
        (7, "command", mtu),
    ]


async def test_a_notification_is_cut_at_the_mtu_and_a_long_read_is_not(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest", mtu=100)
    async with program(issuer) as running, scanning(air, guest) as heard:
        application = await beacon(running)
        device = await heard.device(issuer.address())
        answers: list[bytes] = []
        async with connected(guest, device) as client:
            await client.start_notify(ANSWER, lambda _, value: answers.append(bytes(value)))
            for part in (b"1" * 97, b"2" * 98, b"3" * 400):
                application.notify(part)
            await until(lambda: len(answers) == 3)
            application.value = bytes(range(256)) * 2
            assert bytes(await client.read_gatt_char(REQUEST)) == application.value
    assert [len(value) for value in answers] == [97, 97, 97]


async def test_what_the_application_refuses_fails_at_the_writer(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, scanning(air, guest) as heard:
        application = await beacon(running)
        device = await heard.device(issuer.address())
        async with connected(guest, device) as client:
            application.refuses = DBusFault("org.bluez.Error.NotAuthorized", "no")
            with pytest.raises(BleakError):
                await client.write_gatt_char(REQUEST, b"x", response=True)
            application.refuses = None
            await client.write_gatt_char(REQUEST, b"y", response=True)
    assert [value for value, _ in application.writes] == [b"y"]


async def two_subscribers(
    air: VirtualAir, issuer: Host
) -> tuple[Application, list[bytes], list[bytes]]:
    """Two guests subscribe, a packet goes into the first pipe: what each of them receives."""
    guests = await air.add_hosts({"guest_a": {}, "guest_b": {}})
    async with program(issuer) as running, program(guests[0]) as a, program(guests[1]) as b:
        application = await beacon(running, acquire=True)
        for central in (a, b):
            await central.listen()
            await subscribe(air, central, issuer)
        os.write(application.pipes[0], b"for the first")
        await until(lambda: a.changes("Value"))
        await asyncio.sleep(0.1)
        application.close()
        return application, a.changes("Value"), b.changes("Value")


async def subscribe(air: VirtualAir, central: Program, issuer: Host) -> str:
    """Find, connect and subscribe by D-Bus alone. Returns the characteristic's path."""
    adapter, device = "/org/bluez/hci0", f"dev_{issuer.address().replace(':', '_')}"
    await central.call(adapter, "org.bluez.Adapter1", "StartDiscovery")
    while f"{adapter}/{device}" not in await central.objects():
        air.inject(issuer.address(), b"\x02\x01\x06", -50, address_type="public")
        await asyncio.sleep(0.02)
    await central.call(f"{adapter}/{device}", "org.bluez.Device1", "Connect")
    path = next(
        path
        for path, served in (await central.objects()).items()
        if served.get("org.bluez.GattCharacteristic1", {}).get("UUID") == ANSWER
    )
    await central.call(path, "org.bluez.GattCharacteristic1", "StartNotify")
    return path


async def test_bookworm_sends_an_acquired_packet_to_every_subscriber(air: VirtualAir) -> None:
    issuer = await air.add_host("issuer", release=(5, 66))
    application, first, second = await two_subscribers(air, issuer)
    assert first == second == [b"for the first"]
    assert (len(application.acquired_by), application.told) == (1, [])


async def test_trixie_sends_an_acquired_packet_to_the_one_it_is_for(air: VirtualAir) -> None:
    issuer = await air.add_host("issuer", release=(5, 82))
    application, first, second = await two_subscribers(air, issuer)
    assert (first, second) == ([b"for the first"], [])
    assert len(set(application.acquired_by)) == 2


async def test_acquire_notify_is_hung_up_when_the_subscriber_goes(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, scanning(air, guest) as heard:
        application = await beacon(running, acquire=True)
        device = await heard.device(issuer.address())
        answers: list[bytes] = []
        async with connected(guest, device) as client:
            await client.start_notify(ANSWER, lambda _, value: answers.append(bytes(value)))
            os.write(application.pipes[0], b"x" * 500)
            await until(lambda: answers)
        hung_up = await asyncio.to_thread(os.read, application.pipes[0], 10)
        application.close()
    assert (answers, hung_up) == ([b"x" * 500], b"")


async def test_a_client_may_have_its_notifications_through_a_pipe(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, program(guest) as central:
        application = await beacon(running)
        path = await subscribe(air, central, issuer)
        characteristic = (path, "org.bluez.GattCharacteristic1")
        with pytest.raises(DBusFault, match="NotPermitted"):
            await central.reply(*characteristic, "AcquireNotify", "a{sv}", {})
        await central.call(*characteristic, "StopNotify")
        reply = await central.reply(*characteristic, "AcquireNotify", "a{sv}", {})
        application.notify(b"through the pipe")
        packet = await asyncio.to_thread(os.read, reply.unix_fds[0], 512)
        os.close(reply.unix_fds[0])
        await until(lambda: application.told[-1] == "StopNotify" and len(application.told) == 4)
    assert packet == b"through the pipe"


async def test_either_end_may_hang_up(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, scanning(air, guest) as heard:
        await beacon(running)
        device = await heard.device(issuer.address())
        gone = asyncio.Event()
        async with connected(guest, device, lambda _client: gone.set()):
            path = f"/org/bluez/hci0/dev_{guest.address().replace(':', '_')}"
            await running.call(path, "org.bluez.Device1", "Disconnect")
            await asyncio.wait_for(gone.wait(), 5)


async def test_the_answer_to_disconnect_leaves_before_the_link_is_told_gone(
    air: VirtualAir,
) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, program(guest) as central:
        await beacon(running)
        path = (await subscribe(air, central, issuer)).split("/service")[0]
        await central.listen()
        order: list[str] = []

        def on_message(message: Message) -> None:
            if message.message_type is MessageType.METHOD_RETURN:
                order.append("answer")
            elif message.path == path and "Connected" in message.body[1]:
                order.append("gone")

        central.bus.add_message_handler(on_message)
        await central.call(path, "org.bluez.Device1", "Disconnect")
        await until(lambda: "gone" in order)
    assert order == ["answer", "gone"]


@pytest.mark.parametrize("how", ["distance", "power", "unplug", "kill", "loss"])
async def test_a_link_ends_when_its_peer_is_gone(air: VirtualAir, how: str) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as running, scanning(air, guest) as heard:
        await beacon(running)
        device = await heard.device(issuer.address())
        gone = asyncio.Event()
        async with connected(guest, device, lambda _client: gone.set()) as client:
            match how:
                case "distance":
                    air.set_distance("issuer", "guest", metres=10_000)
                case "loss":
                    air.set_loss("issuer", "guest", 1)
                case "power":
                    issuer.power_adapter(on=False)
                case "unplug":
                    issuer.remove_adapter()
                case _:
                    await issuer.kill_bluetoothd()
            await asyncio.wait_for(gone.wait(), 5)
            assert not client.is_connected


async def test_nobody_connects_to_what_does_not_advertise_it(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer), program(guest) as central:
        with pytest.raises(DBusFault, match="abort"):
            await subscribe(air, central, issuer)


async def test_services_vanish_with_the_application(air: VirtualAir) -> None:
    issuer, guest = await air.add_host("issuer"), await air.add_host("guest")
    async with program(issuer) as advertiser, program(guest) as central:
        await advertiser.advertise(ManufacturerData=manufacturer(b"issuer"))
        async with program(issuer) as dying:
            await Application(dying).register()
            path = await subscribe(air, central, issuer)
            await central.listen()
        await until(lambda: any(each.member == "InterfacesRemoved" for each in central.signals))
        assert path not in await central.objects()


async def test_two_adapters_of_one_host_may_be_linked(air: VirtualAir) -> None:
    host = await air.add_host("one", 2)
    async with program(host) as running, scanning(air, host, adapter="hci0") as heard:
        application = Application(running)
        await application.register("hci1")
        await running.advertise("/test/a", "hci1", ManufacturerData=manufacturer(b"issuer"))
        device = await heard.device(host.address("hci1"))
        async with connected(host, device) as client:
            await client.write_gatt_char(REQUEST, b"hello", response=True)
        await until(lambda: application.writes)
    assert application.writes[0][1]["device"].startswith("/org/bluez/hci1/dev_")
