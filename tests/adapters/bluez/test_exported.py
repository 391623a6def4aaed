"""Objects on a real bus, as any D-Bus program meets them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters.bluez.dbus import Message, MessageFlag, Variant, plain
from blelockd.adapters.bluez.exported import ABSENT, Interface, Property
from tests.adapters.bluez.door_on_a_bus import DOOR, LOCK, MANAGER, PROPERTIES, ROOT, on_a_bus


async def test_methods_answer_now_or_later(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        assert await caller.call(DOOR, LOCK, "Open", "sa{sv}", "a", {"k": Variant("u", 1)}) == ["A"]
        assert await caller.call(DOOR, LOCK, "OpenSlowly", "s", "b") == ["B"]
        assert await caller.call(DOOR, None, "OpenSlowly", "s", "c") == ["C"]
        assert served.calls[0].args == ("a", {"k": 1})
        assert served.calls[0].sender == caller.bus.unique_name


async def test_a_fault_is_answered_and_a_bug_is_reported_but_not_told(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        refusal = await caller.raw(DOOR, LOCK, "Refuse")
        assert (refusal.error_name, refusal.body) == (
            "blelock.Error.Closed",
            ["come back tomorrow"],
        )
        assert served.faults == []
        for member in ("Break", "BreakSlowly", "Mumble"):
            answer = await caller.raw(DOOR, LOCK, member)
            assert answer.error_name == "org.freedesktop.DBus.Error.Failed"
            assert "42" not in str(answer.body)
        assert [member for member, _ in served.faults] == ["Break", "BreakSlowly", "Mumble"]


@pytest.mark.parametrize(
    ("path", "interface", "member", "signature", "error"),
    [
        ("/blelock/cellar", LOCK, "Open", "", "UnknownObject"),
        (DOOR, LOCK, "Explode", "", "UnknownMethod"),
        (DOOR, "blelock.Safe1", "Open", "", "UnknownMethod"),
        (DOOR, LOCK, "Open", "", "InvalidArgs"),
        (DOOR, MANAGER, "GetManagedObjects", "", "UnknownMethod"),
    ],
)
async def test_what_is_not_there_is_said_not_to_be(
    tmp_path: Path, path: str, interface: str, member: str, signature: str, error: str
) -> None:
    async with on_a_bus(tmp_path) as (_, caller):
        answer = await caller.call(path, interface, member, signature)
        assert answer == f"org.freedesktop.DBus.Error.{error}"


async def test_properties_are_read_and_set(tmp_path: Path) -> None:
    error = "org.freedesktop.DBus.Error."
    async with on_a_bus(tmp_path) as (_, caller):
        everything = [{"Name": "front", "Uses": 0, "Time": 7}]
        assert await caller.call(DOOR, PROPERTIES, "GetAll", "s", LOCK) == everything
        assert await caller.call(DOOR, PROPERTIES, "Get", "ss", LOCK, "Time") == [7]

        async def set_to(name: str, value: Variant) -> Any:
            return await caller.call(DOOR, PROPERTIES, "Set", "ssv", LOCK, name, value)

        assert await set_to("Uses", Variant("u", 3)) == []
        assert await caller.call(DOOR, PROPERTIES, "Get", "ss", LOCK, "Uses") == [3]
        assert await set_to("Uses", Variant("s", "3")) == error + "InvalidArgs"
        assert await set_to("Name", Variant("s", "back")) == error + "PropertyReadOnly"
        assert await set_to("Key", Variant("ay", b"")) == error + "UnknownProperty"
        unknown = await caller.call(DOOR, PROPERTIES, "GetAll", "s", "blelock.Safe1")
        assert unknown == error + "UnknownInterface"


async def test_changes_are_announced_once_and_only_when_they_are_changes(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        await caller.follow()
        served.tree.update(DOOR, LOCK, Name="front", Uses=1)
        served.tree.publish(DOOR, LOCK, Name="front")
        served.tree.update(DOOR, LOCK, Key=b"k")
        served.tree.update(DOOR, LOCK, Key=ABSENT)
        await caller.call(DOOR, PROPERTIES, "GetAll", "s", LOCK)
        assert [plain(each.body[1:]) for each in caller.signals] == [
            [{"Uses": 1}, []],
            [{"Name": "front"}, []],
            [{"Key": b"k"}, []],
            [{}, ["Key"]],
        ]


async def test_objects_come_and_go_with_a_signal(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        await caller.follow()
        served.tree.add(f"{ROOT}/gate", Interface(LOCK, {"Name": Property("s", "gate")}))
        both = (await caller.call(ROOT, MANAGER, "GetManagedObjects"))[0]
        assert set(both) == {DOOR, f"{ROOT}/gate"}
        served.tree.remove(f"{ROOT}/gate")
        served.tree.remove(f"{ROOT}/never")
        assert set((await caller.call(ROOT, MANAGER, "GetManagedObjects"))[0]) == {DOOR}
        assert [(each.path, each.member, plain(each.body)) for each in caller.signals] == [
            (ROOT, "InterfacesAdded", [f"{ROOT}/gate", {LOCK: {"Name": "gate"}}]),
            (ROOT, "InterfacesRemoved", [f"{ROOT}/gate", [LOCK]]),
        ]


async def test_nothing_is_served_outside_of_the_root(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, _):
        for path in ("/elsewhere", "/blelockdoor", "/"):
            with pytest.raises(ValueError):
                served.tree.add(path, Interface(LOCK))


async def test_an_object_tells_all_that_it_can_do(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (_, caller):
        node = await caller.bus.introspect(caller.served, DOOR)
        lock = next(each for each in node.interfaces if each.name == LOCK)
        assert {each.name: each.signature for each in lock.properties} == {
            "Name": "s",
            "Uses": "u",
            "Time": "t",
        }
        opened = next(each for each in lock.methods if each.name == "Open")
        assert [each.signature for each in opened.in_args] == ["s", "a{sv}"]
        assert [each.signature for each in lock.signals[0].args] == ["s", "a{sv}"]
        above = [await caller.bus.introspect(caller.served, path) for path in ("/", ROOT)]
        assert [[child.name for child in each.nodes] for each in above] == [["blelock"], ["door"]]


async def test_only_the_one_who_may_is_answered(tmp_path: Path) -> None:
    friends: set[str] = set()
    async with on_a_bus(tmp_path, answers=friends.__contains__) as (served, caller):
        for call in (
            (DOOR, LOCK, "OpenSlowly", "s", "x"),
            (DOOR, PROPERTIES, "GetAll", "s", LOCK),
            (ROOT, MANAGER, "GetManagedObjects"),
        ):
            answer = await caller.call(*call)
            assert answer == "org.freedesktop.DBus.Error.AccessDenied"
        friends.add(caller.bus.unique_name or "")
        assert await caller.call(DOOR, LOCK, "OpenSlowly", "s", "x") == ["X"]
        assert served.faults == []


async def test_signals_go_to_the_audience_and_to_nobody_else(tmp_path: Path) -> None:
    audience: list[str | None] = [None]
    async with on_a_bus(tmp_path, audience=lambda: audience[0]) as (served, caller):
        await caller.follow()
        served.tree.update(DOOR, LOCK, Uses=1)
        audience[0] = served.bus.unique_name
        served.tree.update(DOOR, LOCK, Uses=2)
        audience[0] = caller.bus.unique_name
        served.tree.update(DOOR, LOCK, Uses=3)
        await caller.call(DOOR, PROPERTIES, "GetAll", "s", LOCK)
        assert [plain(each.body[1]) for each in caller.signals] == [{"Uses": 3}]


async def test_a_descriptor_is_handed_over_and_closed_here(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (_, caller):
        open_before = len(os.listdir("/proc/self/fd"))
        answer = await caller.raw(DOOR, LOCK, "Pipe")
        (theirs,) = answer.unix_fds
        assert os.read(theirs, 100) == b"through"
        os.close(theirs)
        await caller.call(DOOR, LOCK, "OpenSlowly", "s", "x")
        assert len(os.listdir("/proc/self/fd")) == open_before


async def test_descriptors_that_nobody_asked_for_are_closed(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        reader, writer = os.pipe()
        await caller.bus.call(
            Message(
                destination=caller.served,
                path=DOOR,
                interface=LOCK,
                member="Open",
                signature="h",
                body=[0],
                unix_fds=[writer],
            )
        )
        os.close(writer)
        assert os.read(reader, 1) == b""  # the only other end was the one that was sent
        os.close(reader)
        assert served.calls == []


async def test_who_wants_no_answer_gets_none(tmp_path: Path) -> None:
    async with on_a_bus(tmp_path) as (served, caller):
        answers: list[Message] = []
        for member in ("Refuse", "Break"):
            message = Message(destination=caller.served, path=DOOR, interface=LOCK, member=member)
            message.flags = MessageFlag.NO_REPLY_EXPECTED
            caller.bus.send(message)
        caller.bus.add_message_handler(answers.append)
        await caller.call(DOOR, LOCK, "OpenSlowly", "s", "x")
        assert [each.body for each in answers] == [["X"]]
        assert [member for member, _ in served.faults] == ["Break"]
