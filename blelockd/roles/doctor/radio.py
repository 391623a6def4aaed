"""The radio, step by step: system bus, bluetoothd, adapter, and what bluetoothd can do with it.

Only looks: it powers nothing on, and starts no scan.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.controller import AdapterFacts, Controller
from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.config import LockConfig, RoleConfig, ScanMode
from blelockd.services.diagnosis import Finding, broken, doubtful, fine

_LOOKED_AT: Final = {
    Cause.NO_BUS: "system bus",
    Cause.NO_BLUETOOTHD: "bluetoothd",
    Cause.NO_ANSWER: "bluetoothd",
    Cause.NOT_PERMITTED: "bluetoothd",
}
"""Where something was wrong; the adapter, if it is none of these."""
_EXPERIMENTAL: Final = "experimental"
_HOW_EXPERIMENTAL: Final = (
    "the packages run bluetoothd with --experimental: see `systemctl cat bluetooth`, then "
    "`systemctl restart bluetooth`"
)


async def radio(config: RoleConfig, switches: Path | None) -> AsyncIterator[Finding]:
    """Whether the adapter of `config` can be used. `switches`: where the kernel shows rfkill."""
    try:
        bus = await Bus.connect()
    except RadioDown as down:
        yield _down(down)
        return
    controller = Controller(bus, config.adapter, switches=switches)
    try:
        await controller.start()
        for finding in _findings(config, controller):
            yield finding
    except RadioDown as down:
        yield _down(down)
    finally:
        await controller.close()
        await bus.close()


def _findings(config: RoleConfig, controller: Controller) -> list[Finding]:
    found = [fine("bluetoothd", "it runs")] if controller.bus.bluez_owner is not None else []
    if controller.down is not None:
        found.append(_down(controller.down))
    else:
        found.append(fine("adapter", f"{config.adapter}, {_facts(controller).address}, powered on"))
    if controller.facts is not None:
        found.append(_experimental(config, controller.facts))
    return found


def _down(down: RadioDown) -> Finding:
    return broken(_LOOKED_AT.get(down.cause, "adapter"), down.cause, down.reason, down.remedy)


def _facts(controller: Controller) -> AdapterFacts:
    return controller.require_ready()


def _experimental(config: RoleConfig, facts: AdapterFacts) -> Finding:
    if facts.has_monitors:
        return fine(_EXPERIMENTAL, "bluetoothd runs with --experimental")
    if not isinstance(config, LockConfig):
        told = "bluetoothd keeps its own, slow rhythm of adverts, so others take longer to hear us"
        return doubtful(_EXPERIMENTAL, Cause.NO_EXPERIMENTAL, told, _HOW_EXPERIMENTAL)
    if config.scan.mode is ScanMode.PASSIVE:
        told = "bluetoothd offers no passive scanning, and `scan: {mode: passive}` asks for it"
        remedy = f"{_HOW_EXPERIMENTAL}; or set `scan: {{mode: auto}}`"
        return broken(_EXPERIMENTAL, Cause.NO_EXPERIMENTAL, told, remedy)
    if config.scan.mode is ScanMode.ACTIVE:
        return fine(_EXPERIMENTAL, "not needed: this lock scans actively")
    told = "bluetoothd offers no passive scanning: the lock scans actively, which costs more"
    return doubtful(_EXPERIMENTAL, Cause.NO_EXPERIMENTAL, told, _HOW_EXPERIMENTAL)
