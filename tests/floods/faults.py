"""Faults under a whole house: broker, disks and databases, again and again, at random moments.

After each a guest gets a session and is let in, and the issuer has the lock's event of it, without
anybody's help. Real issuer, lock and mosquitto; their stores are on a small disk of their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from blelockd.services.guest.provisioning import ProvisioningFailed
from blelockd.virtual.stage import NotTold
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Target, Tell
from tests.bench.timing import percentile
from tests.fakes.waiting import until
from tests.floods.disk import SmallDisk
from tests.floods.honest import MANY, HonestGuest
from tests.floods.site import Site, bolt
from tests.stories.whole_house import whole_house

ROUNDS: Final = 100
RECOVERED_SECONDS: Final = 10.0

_GIVE_UP_SECONDS: Final = 60.0
_PAGE: Final = 4096
_LONGEST_FAULT_SECONDS: Final = 2.0
_COLUMNS: Final = (
    Column("fault", "fault"),
    Column("rounds", "rounds"),
    Column("p50_s", "back p50", "s"),
    Column("longest_s", "longest", "s"),
    Column("not_back", "not back"),
    Column("openings", "openings"),
    Column("unearned", "unearned"),
    Column("lost", "events lost"),
    Column("restored", "stores restored"),
)
_NOTES: Final = (
    "Back: from the end of the fault until a guest has a session, the door has opened, and the "
    "issuer's audit has that event. A lock that was killed opens nothing for its first slots.",
    "Openings: how often the strike was released. Unearned: for a session that the guest never "
    "got, or twice for one token. Events lost: what the issuer had acknowledged, or the strike "
    "done, and the audit has not at the end.",
)


@dataclass(slots=True)
class _Came:
    """What came of one kind of fault."""

    fault: str
    rounds: int
    back: list[float] = field(default_factory=list)
    openings: int = 0
    unearned: int = 0
    lost: int = 0
    restored: int = 0

    def row(self) -> tuple[Cell, ...]:
        """One line of the table."""
        return (
            self.fault,
            self.rounds,
            percentile(self.back, 0.5) if self.back else None,
            max(self.back, default=None),
            self.rounds - len(self.back),
            self.openings,
            self.unearned,
            self.lost,
            self.restored,
        )

    def targets(self) -> tuple[Target, ...]:
        """The bounds."""
        longest = max(self.back, default=float("inf"))
        return (
            Target(f"{self.fault}: not back", self.rounds - len(self.back), at_most=0),
            Target(f"{self.fault}: back, longest", longest, "s", at_most=RECOVERED_SECONDS),
            Target(f"{self.fault}: openings without a valid token", self.unearned, at_most=0),
            Target(f"{self.fault}: acknowledged events lost", self.lost, at_most=0),
        )


Fault = Callable[[Site], Awaitable[None]]


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    rounds = int(os.environ.get("BLELOCK_FAULT_ROUNDS", effort.pick(ROUNDS, 1)))
    only = os.environ.get("BLELOCK_FAULTS", "")
    came = []
    with SmallDisk() as disk:
        changes: dict[str, Any] = {
            "issuer": {"limits": MANY, "state_directory": str(disk.path / "issuer")},
            "lock": {"state_directory": str(disk.path / "lock"), "strike": bolt(disk)},
        }
        async with whole_house(changes) as house:
            await house.enrol()
            site = Site(house, disk, await HonestGuest.another(house, "ben"))
            await site.guest.opens()
            for name, fault in FAULTS.items():
                if only in name and (name not in _OF_MOUNTS or disk.is_mounted):
                    came.append(await _rounds(site, name, fault, rounds, tell))
    rows = tuple(each.row() for each in came)
    targets = tuple(target for each in came for target in each.targets())
    notes = (*_NOTES, *(() if disk.is_mounted else ("No disk of its own could be mounted.",)))
    return Findings((Table("faults", "faults", _COLUMNS, rows),), targets, notes)


async def _rounds(site: Site, name: str, fault: Fault, rounds: int, tell: Tell) -> _Came:
    came, before = _Came(name, rounds), len(site.openings())
    house = site.house
    since = len(house.issuer.events)
    for number in range(rounds):
        tell(f"{name}, {number + 1} of {rounds}")
        site.acknowledged |= site.in_audit()[0]
        await site.guest.away()
        await fault(site)
        began = time.monotonic()
        with suppress(TimeoutError, NotTold, ProvisioningFailed, AssertionError):
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                await _lets_in(site)
                came.back.append(time.monotonic() - began)
        if len(came.back) < number + 1:
            _last_words(site, name)
    openings = site.openings()
    kept, opened = site.in_audit()
    came.openings = len(openings) - before
    came.unearned = len([one for one in openings if one[0] not in site.guest.had | site.other.had])
    came.unearned += len(openings) - len(set(openings))
    came.lost = len(site.acknowledged - kept) + len(set(openings[before:]) - opened)
    site.acknowledged = kept
    restored = [e for e in house.issuer.events[since:] if e.kind == "store-restored"]
    came.restored = len(restored)
    return came


async def _lets_in(site: Site) -> None:
    """A guest is let in, and the issuer knows of it."""
    while True:
        try:
            session = await site.guest.opens(within_seconds=8.0)
            break
        except NotTold:  # the lock was just started, or the session revoked: the guest asks again
            continue
    await until(
        lambda: any(
            event.kind == "door"
            and event.fields["what"] == "opened"
            and event.fields["session"] == session
            for event in site.house.issuer.events
        ),
        _GIVE_UP_SECONDS,
    )


def _last_words(site: Site, name: str) -> None:
    for daemon in (site.house.issuer, site.house.lock):
        told = [f"{event.kind}: {event.message}" for event in daemon.events[-8:]]
        sys.stderr.write("\n  ".join([f"after {name} {daemon.role} told", *told]) + "\n")


# --- faults --------------------------------------------------------------------------------------


async def _moment(site: Site) -> None:
    await asyncio.sleep(site.chance.uniform(0, _LONGEST_FAULT_SECONDS))


async def _asking(site: Site) -> asyncio.Future[object]:
    """A guest asks, and something happens to it in the middle of that."""
    asking: asyncio.Future[object] = asyncio.ensure_future(site.other.tries())
    await asyncio.sleep(site.chance.uniform(0, 0.3))
    return asking


async def _broker_killed(site: Site) -> None:
    asking = await _asking(site)
    site.house.stage.broker.kill()
    await _moment(site)
    await asyncio.to_thread(site.house.stage.broker.start)
    await _end(asking)


async def _broker_half_open(site: Site) -> None:
    asking = await _asking(site)
    site.house.stage.broker.pause()
    await _moment(site)
    site.house.stage.broker.resume()
    await _end(asking)


async def _issuer_killed(site: Site) -> None:
    asking = await _asking(site)
    await site.revive(site.house.issuer)
    await _end(asking)


async def _lock_killed(site: Site) -> None:
    asking = await _asking(site)
    await site.revive(site.house.lock)
    await _end(asking)


async def _disk_full(site: Site) -> None:
    site.disk.fill()
    try:
        asking = await _asking(site)
        if site.chance.random() < 0.5:
            await site.revive(site.chance.choice([site.house.issuer, site.house.lock]))
        await _moment(site)
        await _end(asking)
    finally:
        site.disk.make_room()


async def _disk_read_only(site: Site) -> None:
    """As it is found at the start: what is open cannot be made read-only."""
    for daemon in (site.house.issuer, site.house.lock):
        await daemon.stop(signal.SIGKILL)
    with site.disk.read_only():
        for daemon in (site.house.issuer, site.house.lock):
            await daemon.start()
        asking = await _asking(site)
        await _moment(site)
        await _end(asking)


async def _store_damaged(site: Site) -> None:
    await site.house.issuer.stop(signal.SIGKILL)
    for kept in site.store.parent.glob("issuer.db.damaged-*"):
        kept.unlink()  # the disk is small
    size = site.store.stat().st_size
    at = site.chance.randrange(size // _PAGE) * _PAGE
    with site.store.open("r+b") as file:
        file.seek(at)
        file.write(site.chance.randbytes(_PAGE))
    await site.house.issuer.start()


async def _spool_damaged(site: Site) -> None:
    await site.house.lock.stop(signal.SIGKILL)
    spool = site.spool
    for kept in spool.parent.glob("events.db.damaged*"):
        kept.unlink()
    spool.write_bytes(site.chance.randbytes(max(_PAGE, spool.stat().st_size)))
    await site.house.lock.start()


async def _end(asking: asyncio.Future[object]) -> None:
    """Whatever came of it."""
    asking.cancel()
    await asyncio.wait({asking})


FAULTS: Final[dict[str, Fault]] = {
    "broker kill -9": _broker_killed,
    "broker half open": _broker_half_open,
    "issuer kill -9": _issuer_killed,
    "lock kill -9": _lock_killed,
    "full disk": _disk_full,
    "read-only disk": _disk_read_only,
    "issuer's store damaged": _store_damaged,
    "lock's events damaged": _spool_damaged,
}
_OF_MOUNTS: Final = ("full disk", "read-only disk")
