"""An adapter that is lost is noticed at once, named, and used again when it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.defs import ADAPTER
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.virtual.host import Host
from tests.adapters.bluez.room import PATIENCE_SECONDS, Room, eventually


async def ready_again(controller: Controller) -> list[str]:
    """The causes that were told until the adapter was ready."""
    causes: list[str] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        await controller.wait_ready(lambda down: causes.append(down.cause))
    return causes


async def lost(controller: Controller, epoch: int) -> RadioDown:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await controller.wait_lost(epoch)


async def switched_off(room: Room) -> tuple[Host, Controller]:
    """A host whose adapter is off, and whoever knows that."""
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    epoch = controller.epoch
    host.power_adapter(on=False)
    await lost(controller, epoch)
    return host, controller


async def test_a_ready_adapter_tells_its_facts(room: Room) -> None:
    plain, experimental = await room.air.add_hosts({"plain": {}, "bold": {"experimental": True}})
    facts = (await room.controller(plain)).require_ready()
    assert facts.address == plain.address()
    assert facts.powered
    assert not facts.discovering
    assert not facts.has_monitors
    assert (await room.controller(experimental)).require_ready().has_monitors


async def test_an_absent_adapter_is_named(room: Room) -> None:
    host = await room.air.add_host("here")
    controller = await room.watched(host, "hci7")
    with pytest.raises(RadioDown, match="there is no adapter hci7: plug the adapter in"):
        controller.require_ready()
    assert controller.facts is None


async def test_hci1_is_not_hci10(room: Room) -> None:
    adapters = [room.air.new_adapter("hci1"), room.air.new_adapter("hci10")]
    host = await room.air.add_host("here", adapters)
    one, ten = await room.controller(host, "hci1"), await room.controller(host, "hci10")
    epochs = one.epoch, ten.epoch
    host.remove_adapter("hci10")
    assert (await lost(ten, epochs[1])).cause in (Cause.ADAPTER_OFF, Cause.NO_ADAPTER)
    assert one.down is None
    assert one.epoch == epochs[0]


async def test_an_adapter_that_is_off_is_powered_on(room: Room) -> None:
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    epoch = controller.epoch
    host.power_adapter(on=False)
    assert (await lost(controller, epoch)).cause is Cause.ADAPTER_OFF
    assert await ready_again(controller) == [Cause.ADAPTER_OFF]
    assert await controller.bus.get(controller.path, ADAPTER, "Powered") is True


async def test_an_answer_that_a_signal_has_overtaken_is_not_believed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, controller = await switched_off(room)
    try_call = controller.bus.try_call
    answers: list[Any] = []

    async def overtaken(*asked: Any, **options: Any) -> Any:
        answers.append(await try_call(*asked, **options))
        host.power_adapter(on=True)
        await eventually(lambda: controller.facts and controller.facts.powered)
        return answers[-1]

    monkeypatch.setattr(controller.bus, "try_call", overtaken)
    await controller._read()
    assert answers[0][0]["Powered"] is False
    assert controller.require_ready().powered


async def test_a_refusal_to_power_on_is_no_news_once_it_is_on(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bluetoothd that has just started powers it on by itself, and is busy with that."""
    host, controller = await switched_off(room)

    async def refused(*_: Any, **__: Any) -> None:
        host.power_adapter(on=True)
        await eventually(lambda: controller.down is None)
        raise RadioDown(Cause.BUSY, "the adapter is busy")

    monkeypatch.setattr(controller.bus, "set", refused)
    assert await ready_again(controller) == [Cause.ADAPTER_OFF]
    assert controller.require_ready().powered


async def test_what_no_longer_fits_what_is_known_is_asked_for_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that never came is the last word on nothing."""
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    try_call = controller.bus.try_call

    async def silent(*_: Any, **__: Any) -> Any:
        raise TimeoutError

    monkeypatch.setattr(controller.bus, "try_call", silent)
    await controller._read_again()
    monkeypatch.setattr(controller.bus, "try_call", try_call)
    assert controller.facts is not None
    assert await ready_again(controller) == [Cause.NO_ANSWER]


async def test_a_blocked_adapter_is_named_with_its_remedy(room: Room, tmp_path: Path) -> None:
    host = await room.air.add_host("here")
    controller = Controller(await room.bus(host), "hci0", switches=tmp_path)
    await controller.start()
    epoch = controller.epoch
    (tmp_path / "rfkill0").mkdir()
    for file, value in (("type", "bluetooth"), ("name", "hci0"), ("soft", "1"), ("hard", "0")):
        (tmp_path / "rfkill0" / file).write_text(value)
    host.power_adapter(on=False)
    down = await lost(controller, epoch)
    assert down.cause is Cause.RFKILL
    assert str(down) == "hci0 is blocked by rfkill: lift the block: rfkill unblock bluetooth"
    await controller.close()


async def test_an_adapter_pulled_out_and_plugged_in_is_used_again(room: Room) -> None:
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    epoch = controller.epoch
    plugged = host.remove_adapter()
    assert (await lost(controller, epoch)).cause in (Cause.ADAPTER_OFF, Cause.NO_ADAPTER)
    returning = asyncio.create_task(ready_again(controller))
    host.plug_adapter(plugged)
    assert set(await returning) <= {Cause.NO_ADAPTER, Cause.ADAPTER_OFF}
    assert controller.epoch > epoch


async def test_a_killed_bluetoothd_is_noticed_and_awaited(room: Room) -> None:
    host = await room.air.add_host("here", experimental=True)
    controller = await room.controller(host)
    epoch = controller.epoch
    await host.kill_bluetoothd()
    assert (await lost(controller, epoch)).cause is Cause.NO_BLUETOOTHD
    returning = asyncio.create_task(ready_again(controller))
    await host.start_bluetoothd()
    assert Cause.NO_BLUETOOTHD in await returning
    await eventually(lambda: controller.facts and controller.facts.has_monitors)


async def test_a_restart_that_is_over_before_one_looks_is_still_a_loss(room: Room) -> None:
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    epoch = controller.epoch
    await host.kill_bluetoothd()
    await host.start_bluetoothd()
    await ready_again(controller)
    assert (await lost(controller, epoch)).cause is Cause.RELEASED


async def test_a_daemon_that_starts_before_bluetoothd_waits_for_it(room: Room) -> None:
    host = await room.air.add_host("here")
    await host.kill_bluetoothd()
    controller = await room.watched(host)
    assert controller.down is not None
    assert controller.down.cause is Cause.NO_BLUETOOTHD
    returning = asyncio.create_task(ready_again(controller))
    await host.start_bluetoothd()
    assert Cause.NO_BLUETOOTHD in await returning


async def test_a_lost_bus_ends_the_waiting(room: Room) -> None:
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    waiting = asyncio.create_task(lost(controller, controller.epoch))
    await room.kill_bus(host)
    assert (await waiting).cause in (Cause.NO_BUS, Cause.NO_BLUETOOTHD)
    with pytest.raises(RadioDown) as caught:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await controller.wait_ready()
    assert caught.value.cause is Cause.NO_BUS


async def test_twenty_restarts_in_a_row_are_survived(room: Room) -> None:
    host = await room.air.add_host("here")
    controller = await room.controller(host)
    for _ in range(20):
        await host.kill_bluetoothd()
        await host.start_bluetoothd()
    await ready_again(controller)
    assert (await controller.bus.get(controller.path, ADAPTER, "Powered")) is True
