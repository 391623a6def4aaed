"""The connection to the bus: every failure has a name, and no stranger is believed."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.adapters.bluez import bus as bus_module
from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.defs import (
    ADAPTER,
    BLUEZ,
    BUS_NAME,
    PROPERTIES,
    PROPERTIES_CHANGED,
    adapter_path,
)
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.bluez.exported import Interface, Method, MethodCall, ObjectTree, Reply
from blelockd.adapters.bluez.signals import Signal, SignalRule, changes
from tests.adapters.bluez.room import PATIENCE_SECONDS, Room, ask, eventually

HCI0 = adapter_path("hci0")
ADAPTER_CHANGES = SignalRule(PROPERTIES, PROPERTIES_CHANGED, HCI0, first=ADAPTER)


async def test_a_machine_without_a_bus_says_so(tmp_path: object) -> None:
    with pytest.raises(RadioDown, match="systemctl start dbus") as caught:
        await Bus.connect(f"unix:path={tmp_path}/nowhere")
    assert caught.value.cause is Cause.NO_BUS


async def test_the_environment_names_the_bus(room: Room) -> None:
    room.bleak_on(await room.air.add_host("here"))
    bus = await Bus.connect()
    room.buses.append(bus)
    assert bus.bluez_owner is not None
    assert bus.unique_name.startswith(":")


async def test_properties_come_without_their_wrapping(room: Room) -> None:
    host = await room.air.add_host("here")
    bus = await room.bus(host)
    assert await bus.get(HCI0, ADAPTER, "Address") == host.address()
    assert (await bus.get_all(HCI0, ADAPTER))["Powered"] is True
    await bus.set(HCI0, ADAPTER, "Alias", "s", "door")
    assert await bus.get(HCI0, ADAPTER, "Alias") == "door"


async def test_a_refusal_names_its_cause(room: Room) -> None:
    bus = await room.bus(await room.air.add_host("here"))
    with pytest.raises(RadioDown) as caught:
        await bus.get(adapter_path("hci9"), ADAPTER, "Address")
    assert caught.value.cause is Cause.NO_ADAPTER
    with pytest.raises(RadioDown) as caught:
        await bus.ping("com.example.Nobody")
    assert caught.value.cause is Cause.NO_BLUETOOTHD


async def test_a_call_that_is_never_answered_ends(room: Room) -> None:
    host = await room.air.add_host("here")
    bus, silent = await room.bus(host), await room.stranger(host)
    tree = ObjectTree(silent, "/mute", on_fault=lambda *_: None)

    async def never(_call: MethodCall) -> Reply | None:
        await asyncio.sleep(PATIENCE_SECONDS)
        return None

    tree.add("/mute", Interface("com.example.Mute", methods={"Speak": Method(never)}))
    with pytest.raises(RadioDown) as caught:
        await bus.call(
            "/mute",
            "com.example.Mute",
            "Speak",
            destination=silent.unique_name or "",
            timeout_seconds=0.05,
        )
    assert caught.value.cause is Cause.NO_ANSWER
    tree.close()


async def test_calls_under_way_end_with_the_bus(room: Room) -> None:
    host = await room.air.add_host("here")
    bus = await room.bus(host)
    pending = [asyncio.create_task(bus.ping(BUS_NAME)) for _ in range(10)]
    waiting = asyncio.create_task(bus.wait_closed())
    await room.kill_bus(host)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting
        results = await asyncio.gather(*pending, return_exceptions=True)
    assert all(isinstance(each, RadioDown | None) for each in results)
    assert bus.closed
    assert bus.bluez_owner is None
    with pytest.raises(RadioDown) as caught:
        await bus.ping()
    assert caught.value.cause is Cause.NO_BUS


async def test_it_asks_for_life_in_a_way_that_the_stock_bus_policy_allows(room: Room) -> None:
    host = await room.air.add_host("here")
    bus, stranger = await room.bus(host), await room.stranger(host)
    refusal = await ask(stranger, BUS_NAME, "/", "org.freedesktop.DBus.Peer", "Ping")
    assert refusal.error_name == "org.freedesktop.DBus.Error.AccessDenied"
    await bus.ping()
    await bus.ping(BLUEZ)


async def test_more_calls_than_any_daemon_makes_are_refused(room: Room) -> None:
    bus = await room.bus(await room.air.add_host("here"))
    calls = [bus.ping() for _ in range(3 * bus_module.MOST_CALLS_WAITING)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in results if isinstance(each, RadioDown)]
    assert {each.cause for each in refused} == {Cause.BUSY}
    assert len(results) - len(refused) >= bus_module.MOST_CALLS_WAITING
    await bus.ping()


async def test_bluetoothd_comes_and_goes_before_our_eyes(room: Room) -> None:
    host = await room.air.add_host("here")
    bus = await room.bus(host)
    seen: list[str | None] = []
    forget = bus.on_bluez_owner(seen.append)
    first = bus.bluez_owner
    await host.kill_bluetoothd()
    await eventually(lambda: bus.bluez_owner is None)
    await host.start_bluetoothd()
    await eventually(lambda: bus.bluez_owner is not None)
    assert seen == [None, bus.bluez_owner]
    assert bus.bluez_owner != first
    forget()
    await host.kill_bluetoothd()
    await eventually(lambda: bus.bluez_owner is None)
    assert len(seen) == 2


async def test_signals_reach_who_subscribed_and_nobody_else(room: Room) -> None:
    host = await room.air.add_host("here", 2)
    bus = await room.bus(host)
    heard: list[Signal] = []
    await bus.subscribe(ADAPTER_CHANGES, heard.append)
    await bus.set(adapter_path("hci1"), ADAPTER, "Alias", "s", "another")
    await bus.set(HCI0, ADAPTER, "Alias", "s", "door")
    await eventually(lambda: heard)
    assert [signal.path for signal in heard] == [HCI0]
    assert changes(heard[0])[1]["Alias"] == "door"
    await bus.unsubscribe(ADAPTER_CHANGES, heard.append)


async def test_who_unsubscribed_hears_no_more(room: Room) -> None:
    bus = await room.bus(await room.air.add_host("here"))
    stays: list[Signal] = []
    leaves: list[Signal] = []
    on_stay, on_leave = stays.append, leaves.append
    await bus.subscribe(ADAPTER_CHANGES, on_stay)
    await bus.subscribe(ADAPTER_CHANGES, on_leave)
    await bus.unsubscribe(ADAPTER_CHANGES, on_leave)
    await bus.unsubscribe(ADAPTER_CHANGES, on_leave)
    await bus.set(HCI0, ADAPTER, "Alias", "s", "door")
    await eventually(lambda: stays)
    assert leaves == []
    await bus.unsubscribe(ADAPTER_CHANGES, on_stay)
    await bus.set(HCI0, ADAPTER, "Alias", "s", "gate")
    await bus.ping()
    assert len(stays) == 1


async def test_a_stranger_cannot_speak_in_the_name_of_bluetoothd(room: Room) -> None:
    host = await room.air.add_host("here")
    bus, stranger = await room.bus(host), await room.stranger(host)
    heard: list[Signal] = []
    await bus.subscribe(ADAPTER_CHANGES, heard.append)
    for destination in (bus.unique_name, None):
        lie = dbus.Message(
            message_type=dbus.MessageType.SIGNAL,
            destination=destination,
            path=HCI0,
            interface=PROPERTIES,
            member=PROPERTIES_CHANGED,
            signature="sa{sv}as",
            body=[ADAPTER, {"Powered": dbus.Variant("b", False)}, []],
        )
        await stranger.send(lie)
    owner_lie = dbus.Message(
        message_type=dbus.MessageType.SIGNAL,
        destination=bus.unique_name,
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member="NameOwnerChanged",
        signature="sss",
        body=[BLUEZ, bus.bluez_owner, stranger.unique_name],
    )
    await stranger.send(owner_lie)
    await ask(stranger, bus.unique_name, "/", "org.freedesktop.DBus.Peer", "Ping")
    assert heard == []
    assert bus.bluez_owner != stranger.unique_name


async def test_our_objects_answer_bluetoothd_alone(room: Room) -> None:
    host = await room.air.add_host("here")
    bus, stranger = await room.bus(host), await room.stranger(host)
    called: list[str] = []
    tree = bus.serve("/org/blelock/test")
    speak = Method(lambda call: called.append(call.sender))
    tree.add("/org/blelock/test", Interface("com.example.Secret", methods={"Speak": speak}))
    path = "/org/blelock/test"
    for interface, member, signature, body in (
        ("com.example.Secret", "Speak", "", ()),
        ("org.freedesktop.DBus.Introspectable", "Introspect", "", ()),
        (PROPERTIES, "GetAll", "s", ("com.example.Secret",)),
        ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", ()),
    ):
        answer = await ask(stranger, bus.unique_name, path, interface, member, signature, *body)
        assert answer.error_name == "org.freedesktop.DBus.Error.AccessDenied"
    assert called == []
