"""The devices that speak to a service of ours: told when one has gone, and sent away on demand."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Final

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.defs import DEVICE, PROPERTIES, PROPERTIES_CHANGED
from blelockd.adapters.bluez.errors import RadioDown
from blelockd.adapters.bluez.signals import Signal, SignalHandler, SignalRule, changes

MOST_FOLLOWED: Final = 128
"""More than come and go while an honest guest asks; the bus allows for 512 rules."""

DISCONNECT_SECONDS: Final = 5.0


class Peers:
    """Follows the devices that speak to us, each by its own signals: an adapter that scans has
    many others. Of `MOST_FOLLOWED` the one longest silent makes room. `on_gone` hears who left.
    """

    def __init__(self, controller: Controller, on_gone: Callable[[str], object]) -> None:
        self._controller = controller
        self._on_gone = on_gone
        self._followed: OrderedDict[str, tuple[SignalRule, SignalHandler]] = OrderedDict()
        self._work: set[asyncio.Task[None]] = set()

    def follow(self, device: str) -> None:
        """`device` has spoken: hear when it leaves."""
        if device in self._followed:
            self._followed.move_to_end(device)
            return

        def on_change(signal: Signal) -> None:
            interface, changed, _ = changes(signal)
            if interface == DEVICE and changed.get("Connected") is False:
                self._leave(device)

        rule = SignalRule(PROPERTIES, PROPERTIES_CHANGED, device)
        self._followed[device] = rule, on_change
        self._begin(self._controller.bus.subscribe(rule, on_change))
        if len(self._followed) > MOST_FOLLOWED:
            self._leave(next(iter(self._followed)))

    async def disconnect(self, device: str) -> None:
        """End that device's connection, if it has one; never raises."""
        try:
            await self._controller.bus.call(
                device, DEVICE, "Disconnect", timeout_seconds=DISCONNECT_SECONDS
            )
        except RadioDown:
            return  # it has gone by itself, or everything has

    async def close(self) -> None:
        """Follow nobody any more."""
        for device in list(self._followed):
            self._leave(device)
        await asyncio.gather(*self._work)

    def _leave(self, device: str) -> None:
        followed = self._followed.pop(device, None)
        if followed is None:
            return  # it made room, or left, before the last of its signals came
        rule, handler = followed
        self._on_gone(device)
        self._begin(self._controller.bus.unsubscribe(rule, handler))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)


async def _quietly(work: Coroutine[object, object, None]) -> None:
    """A bus that is lost is told by others."""
    try:
        await work
    except RadioDown:
        return
