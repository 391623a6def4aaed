"""Commands that a person types while an air is up: one line, one change. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from blelockd.virtual.air import Capture
from blelockd.virtual.host import Plugged
from blelockd.virtual.hosts import VirtualAir

_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class _Command:
    usage: str
    explained: str
    run: Callable[..., Awaitable[str]]


class Console:
    """Runs commands on one air. `show` prints what is captured."""

    def __init__(self, air: VirtualAir, show: Callable[[str], None]) -> None:
        self._air = air
        self._show = show
        self._end_capture: Callable[[], None] | None = None
        self._pulled: dict[tuple[str, str], Plugged] = {}
        self._commands: Final = {
            "hosts": _Command("", "the hosts and their buses", self._hosts),
            "distance": _Command("A B METRES", "how far two hosts are apart", self._distance),
            "rssi": _Command("A B DBM", "what two hosts receive of each other", self._rssi),
            "loss": _Command("A B SHARE", "which share of adverts is lost, 0 to 1", self._loss),
            "power": _Command("HOST HCI on|off", "switch an adapter", self._power),
            "unplug": _Command("HOST HCI", "pull an adapter out", self._unplug),
            "plug": _Command("HOST HCI", "put it back", self._plug),
            "kill": _Command("HOST", "kill -9 its bluetoothd", self._kill),
            "start": _Command("HOST", "start its bluetoothd again", self._start),
            "inject": _Command("ADDRESS HEX DBM", "one advert of nobody's", self._inject),
            "capture": _Command("on|off", "print every advert on the air", self._capture),
            "help": _Command("", "this list", self._help),
        }

    async def run(self, line: str) -> str:
        """Do what the line says, and return what to tell the person."""
        name, *words = line.split() or ["help"]
        command = self._commands.get(name)
        if command is None:
            return f"There is no command {name!r}; `help` lists them."
        wanted = len(command.usage.split())
        if len(words) != wanted:
            return f"Usage: {name} {command.usage}"
        try:
            return await command.run(*words)
        except KeyError as error:
            return f"There is no {error.args[0]!r} (at the moment); `hosts` lists what is there."
        except ValueError as error:
            return f"{error}. Usage: {name} {command.usage}"

    async def _help(self) -> str:
        lines = (
            f"  {f'{name} {command.usage}':<24} {command.explained}"
            for name, command in self._commands.items()
        )
        return "\n".join(lines)

    async def _hosts(self) -> str:
        lines = []
        for host in self._air.hosts.values():
            state = "" if host.bluetoothd_pid else "  (bluetoothd is down)"
            lines.append(f"  {host.name:<10} {', '.join(host.addresses())}{state}")
            lines.append(f"    export DBUS_SYSTEM_BUS_ADDRESS={host.bus_address}")
        return "\n".join(lines)

    def _known(self, *names: str) -> None:
        for name in names:
            self._air.hosts[name.partition("/")[0]]

    async def _distance(self, a: str, b: str, metres: str) -> str:
        self._known(a, b)
        self._air.set_distance(a, b, float(metres))
        return f"{a} and {b}: {self._air.air.propagation.between(a, b).rssi_dbm:.0f} dBm"

    async def _rssi(self, a: str, b: str, rssi_dbm: str) -> str:
        self._known(a, b)
        self._air.set_rssi(a, b, float(rssi_dbm))
        return f"{a} and {b}: {rssi_dbm} dBm"

    async def _loss(self, a: str, b: str, share: str) -> str:
        self._known(a, b)
        self._air.set_loss(a, b, float(share))
        return f"{a} and {b}: {float(share):.0%} lost"

    async def _power(self, host: str, adapter: str, state: str) -> str:
        if state not in ("on", "off"):
            raise ValueError(f"on or off, not {state!r}")
        self._air.hosts[host].power_adapter(adapter, on=state == "on")
        return f"{adapter} of {host} is {state}"

    async def _unplug(self, host: str, adapter: str) -> str:
        self._pulled[host, adapter] = self._air.hosts[host].remove_adapter(adapter)
        return f"{adapter} of {host} is out"

    async def _plug(self, host: str, adapter: str) -> str:
        self._air.hosts[host].plug_adapter(self._pulled.pop((host, adapter)))
        return f"{adapter} of {host} is in"

    async def _kill(self, host: str) -> str:
        await self._air.hosts[host].kill_bluetoothd()
        return f"{host} has no bluetoothd now"

    async def _start(self, host: str) -> str:
        await self._air.hosts[host].start_bluetoothd()
        return f"{host} has a bluetoothd, process {self._air.hosts[host].bluetoothd_pid}"

    async def _inject(self, address: str, data: str, rssi_dbm: str) -> str:
        if not _ADDRESS.fullmatch(address.upper()):
            raise ValueError(f"{address} is no Bluetooth address")
        heard = self._air.inject(address.upper(), bytes.fromhex(data), int(rssi_dbm))
        return f"heard by {heard} radios"

    async def _capture(self, state: str) -> str:
        if self._end_capture is not None:
            self._end_capture()
            self._end_capture = None
        if state == "on":
            self._end_capture = self._air.capture(lambda advert: self._show(describe(advert)))
        return f"capture is {state}"


def describe(advert: Capture) -> str:
    """One line about an advert."""
    response = f" + {advert.scan_response.hex()}" if advert.scan_response else ""
    return f"{advert.address} ({advert.radio or 'injected'}) {advert.data.hex()}{response}"
