"""The place of the faults: a whole house, its guest, and what can be known of it from outside."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any, Final

from blelockd.adapters.store import Store
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.virtual.stage import DaemonProcess
from tests.floods.disk import SmallDisk
from tests.floods.honest import HonestGuest
from tests.stories.whole_house import REARM_SECONDS, WholeHouse

_BOLT: Final = "bolt"


def bolt(disk: SmallDisk) -> dict[str, Any]:
    """The lock's strike, a program that writes down what it opens for: beside the disk, for that
    may be full.
    """
    write = f'echo "$BLELOCK_SESSION $BLELOCK_SLOT" >>{disk.path.parent / _BOLT}'
    return {
        "type": "command",
        "command": ["/bin/sh", "-c", write],
        "hold_seconds": 0.2,
        "rearm_seconds": REARM_SECONDS,
    }


class Site:
    """The house, its guest, and what is known of its doings from outside. `other` is the guest to
    whom the faults happen.
    """

    def __init__(self, house: WholeHouse, disk: SmallDisk, other: HonestGuest) -> None:
        self.house = house
        self.disk = disk
        self.guest = HonestGuest(house)
        self.other = other
        self.chance = random.Random("faults")
        self.acknowledged: set[tuple[bytes, int]] = set()

    @property
    def store(self) -> Path:
        """The issuer's file."""
        return self.disk.path / "issuer" / "issuer.db"

    @property
    def spool(self) -> Path:
        """The lock's file."""
        return next((self.disk.path / "lock").rglob("events.db"))

    async def revive(self, daemon: DaemonProcess) -> None:
        """kill -9 if it runs, and a new start."""
        if daemon.is_running:
            await daemon.stop(signal.SIGKILL)
        await daemon.start()

    def openings(self) -> list[tuple[str, int]]:
        """Session and slot of all that the strike was released for."""
        file = self.disk.path.parent / _BOLT
        lines = file.read_text().splitlines() if file.exists() else []
        return [(session, int(slot)) for session, slot in map(str.split, lines)]

    def in_audit(self) -> tuple[set[tuple[bytes, int]], set[tuple[str, int]]]:
        """The lock's events by epoch and counter, and its openings, as the issuer has them."""
        store = Store(self.store.parent)
        try:
            told = [e.door for e in store.audit.find(AuditFilter(kind=AuditKind.DOOR)) if e.door]
        finally:
            store.close()
        opened = {(str(e.session_id), int(e.slot)) for e in told if e.kind.name == "OPENED"}
        return {(event.epoch, event.counter) for event in told}, opened
