"""One adapter, by name: whether it can be used now, and the moment when it no longer can.

It powers the adapter on and decides nothing else: what to do about a loss is for the roles.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blelockd.adapters.bluez import rfkill
from blelockd.adapters.bluez.bus import Bus, properties_in
from blelockd.adapters.bluez.defs import (
    ADAPTER,
    INTERFACES_ADDED,
    INTERFACES_REMOVED,
    MONITOR_MANAGER,
    OBJECT_MANAGER,
    PROPERTIES,
    PROPERTIES_CHANGED,
    adapter_path,
)
from blelockd.adapters.bluez.errors import BusRefusal, Cause, RadioDown, radio_down
from blelockd.adapters.bluez.signals import Signal, SignalHandler, SignalRule, changes

_log = logging.getLogger(__name__)

MEND_EVERY_SECONDS: Final = 5.0
MOST_ANSWERS_OVERTAKEN: Final = 5


@dataclass(frozen=True, slots=True)
class AdapterFacts:
    """What BlueZ tells of the adapter at this moment.

    `has_monitors` says that AdvertisementMonitorManager1 is there: bluetoothd runs with
    --experimental, so passive scanning works and an advertisement's interval can be set.
    """

    address: str
    powered: bool
    discovering: bool
    has_monitors: bool


class Controller:
    """The adapter `name` (hciN) of BlueZ, watched from start() to close().

    `epoch` counts the losses: what was registered in an earlier epoch is gone.
    """

    def __init__(self, bus: Bus, name: str, *, switches: Path | None = None) -> None:
        self.bus = bus
        self.name = name
        self.path = adapter_path(name)
        self.epoch = 0
        self._switches = switches
        self._interfaces: dict[str, dict[str, Any]] = {}
        self._down: RadioDown | None = self._no_bluetoothd()
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._subscriptions: list[tuple[SignalRule, SignalHandler]] = []
        self._signals_heard = 0
        self._forget_owner: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begin to watch. Raises RadioDown when the bus is lost; an absent adapter is a state."""
        self._forget_owner = self.bus.on_bluez_owner(self._on_owner)
        properties = SignalRule(PROPERTIES, PROPERTIES_CHANGED, self.path)
        for rule, handler in (
            (properties, self._on_properties),
            (self._object_rule(INTERFACES_ADDED), self._on_added),
            (self._object_rule(INTERFACES_REMOVED), self._on_removed),
        ):
            await self.bus.subscribe(rule, handler)
            self._subscriptions.append((rule, handler))
        await self._read()

    async def close(self) -> None:
        """Watch no more. Safe to repeat."""
        self._forget_owner()
        if self._reading is not None:
            self._reading.cancel()
        while self._subscriptions:
            await self.bus.unsubscribe(*self._subscriptions.pop())

    @property
    def facts(self) -> AdapterFacts | None:
        """What is known of the adapter; None while it is not there."""
        adapter = self._interfaces.get(ADAPTER)
        if adapter is None:
            return None
        monitor_types = self._interfaces.get(MONITOR_MANAGER, {}).get("SupportedMonitorTypes")
        return AdapterFacts(
            address=str(adapter.get("Address", "")),
            powered=adapter.get("Powered") is True,
            discovering=adapter.get("Discovering") is True,
            has_monitors=isinstance(monitor_types, list) and "or_patterns" in monitor_types,
        )

    @property
    def down(self) -> RadioDown | None:
        """Why the adapter cannot be used now; None when it can."""
        return self._no_bus() if self.bus.closed else self._down

    def require_ready(self) -> AdapterFacts:
        """The facts of an adapter that can be used now. Raises RadioDown."""
        down, facts = self.down, self.facts
        if down is not None:
            raise down
        assert facts is not None
        return facts

    async def wait_ready(
        self, on_down: Callable[[RadioDown], object] = lambda _: None
    ) -> AdapterFacts:
        """Return as soon as the adapter can be used, powering it on where it is off.

        `on_down` hears the cause meanwhile, at each change and every few seconds. Raises
        RadioDown(no-bus) when the bus is lost.
        """
        while (down := self.down) is not None:
            if down.cause is Cause.NO_BUS:
                raise down
            on_down(down)
            changed = self._changed
            await self._mend()
            await self._wait(changed, MEND_EVERY_SECONDS)
        return self.require_ready()

    async def wait_lost(self, epoch: int) -> RadioDown:
        """Return the cause as soon as what was begun in `epoch` is lost."""
        while self.epoch == epoch and self.down is None:
            await self._wait(self._changed, None)
        return self.down or RadioDown(
            Cause.RELEASED, f"{self.name} was away for a moment: bluetoothd or it began anew"
        )

    # --- what BlueZ says -----------------------------------------------------------------------

    def _object_rule(self, member: str) -> SignalRule:
        return SignalRule(OBJECT_MANAGER, member, "/", first=self.path, first_is_path=True)

    def _on_owner(self, owner: str | None) -> None:
        self._interfaces.clear()
        self._settle(self._no_bluetoothd() if owner is None else self._no_adapter())
        if owner is not None:
            self._reading = asyncio.create_task(self._read_again())

    def _on_added(self, signal: Signal) -> None:
        self._signals_heard += 1
        self._interfaces.update(signal.args[1])
        self._judge()

    def _on_removed(self, signal: Signal) -> None:
        self._signals_heard += 1
        for interface in signal.args[1]:
            self._interfaces.pop(interface, None)
        self._judge()

    def _on_properties(self, signal: Signal) -> None:
        self._signals_heard += 1
        interface, changed, _ = changes(signal)
        if interface in self._interfaces:
            self._interfaces[interface].update(changed)
            self._judge()

    async def _read_again(self) -> None:
        try:
            await self._read()
        except RadioDown as down:
            self._settle(down)

    async def _read(self) -> None:
        """Ask for the adapter's interfaces: not for all objects, of which there may be many."""
        if self.bus.bluez_owner is None:
            self._settle(self._no_bluetoothd())
            return
        for interface in (ADAPTER, MONITOR_MANAGER):
            properties = await self._ask_until_quiet(interface)
            if properties is not None:
                self._interfaces[interface] = dict(properties)
        self._judge()

    async def _ask_until_quiet(self, interface: str) -> Mapping[str, Any] | None:
        """A signal is heard as soon as it is read, an answer only in the next turn of the event
        loop: one that a signal has overtaken tells how things were, and is asked for again.
        """
        for _ in range(MOST_ANSWERS_OVERTAKEN):
            heard = self._signals_heard
            properties = await self._ask(interface)
            if self._signals_heard == heard:
                break
        return properties

    async def _ask(self, interface: str) -> Mapping[str, Any] | None:
        try:
            answer = await self.bus.try_call(
                self.path, PROPERTIES, "GetAll", "s", interface, timeout_seconds=MEND_EVERY_SECONDS
            )
        except BusRefusal as refusal:
            down = radio_down(refusal, f"read {self.name}", otherwise=Cause.NO_ADAPTER)
            if down.cause in (Cause.NO_ADAPTER, Cause.NO_EXPERIMENTAL):
                return None  # whatever the words, this interface is not there
            raise down from refusal
        except (TimeoutError, OSError) as error:
            raise radio_down(error, f"read {self.name}") from error
        return properties_in(answer, self.path)

    def _judge(self) -> None:
        facts = self.facts
        if self.bus.bluez_owner is None:
            self._settle(self._no_bluetoothd())
        elif facts is None:
            self._settle(self._no_adapter())
        elif not facts.powered:
            self._settle(self._off())
        else:
            self._settle(None)

    def _settle(self, down: RadioDown | None) -> None:
        before = self._down
        if down is not None and before is not None and str(down) == str(before):
            down = before  # one and the same trouble is told once
        if down is before:
            return
        if before is None:
            self.epoch += 1
        self._down = down
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _wait(self, changed: asyncio.Event, timeout_seconds: float | None) -> None:
        """Return at the next change, or when the bus is lost."""
        waits = {
            asyncio.ensure_future(changed.wait()),
            asyncio.ensure_future(self.bus.wait_closed()),
        }
        try:
            await asyncio.wait(waits, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _mend(self) -> None:
        """What can be done from here: read again what was not answered, or does not fit what is
        known by now; power on what is off.
        """
        facts = self.facts
        if self.bus.bluez_owner is not None and (facts is None or facts.powered):
            await self._read_again()
        if self.facts is None or self.facts.powered:
            return
        try:
            await self.bus.set(self.path, ADAPTER, "Powered", "b", True)
            await self._read()  # where it was on all along, no signal comes
        except RadioDown as down:
            _log.debug("%s", down)
            # A bluetoothd that powers it on by itself refuses this as busy, and the signal that it
            # is on is heard before that answer: what is known by now decides.
            still_off = self.facts is not None and not self.facts.powered
            if still_off and down.cause in (Cause.NOT_PERMITTED, Cause.NO_ANSWER):
                self._settle(down)
            else:
                self._judge()

    # --- the causes ----------------------------------------------------------------------------

    def _no_bus(self) -> RadioDown:
        return RadioDown(Cause.NO_BUS, "the connection to the system bus is lost")

    def _no_bluetoothd(self) -> RadioDown:
        return RadioDown(Cause.NO_BLUETOOTHD, "bluetoothd is not running")

    def _no_adapter(self) -> RadioDown:
        return RadioDown(Cause.NO_ADAPTER, f"there is no adapter {self.name}")

    def _off(self) -> RadioDown:
        block = rfkill.block_of(self.name, *([self._switches] if self._switches else []))
        if block is rfkill.Block.HARD:
            remedy = "turn on the machine's radio switch: rfkill list shows it"
            return RadioDown(Cause.RFKILL, f"{self.name} is switched off by hand", remedy=remedy)
        if block is rfkill.Block.SOFT:
            return RadioDown(Cause.RFKILL, f"{self.name} is blocked by rfkill")
        power_on = f"busctl set-property org.bluez {self.path} {ADAPTER} Powered b true"
        remedy = f"a daemon that runs powers it on, a person by {power_on}"
        return RadioDown(Cause.ADAPTER_OFF, f"{self.name} is powered off", remedy=remedy)
