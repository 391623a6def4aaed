"""Damaged requests at the issuer's real reception, with its store, and damaged reports at its ear.

Each request answers a challenge of its own, so that nothing but the damage speaks against it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from blelockd.protocol.v2.headers import denied
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditFilter
from blelockd.services.tally import Counted
from tests.attack import damage
from tests.attack.attacks import Attack, Effort, Outcome
from tests.fakes.clock import settle
from tests.fakes.damage import every_damage
from tests.fakes.device import Device, ready
from tests.fakes.office import Premises
from tests.fakes.paper_lock import PaperLock

_LONGER_BYTES: Final = 64
_AT_ONCE: Final = 8


def damages(size: int) -> Iterator[tuple[int, int]]:
    """Every bit of a message of that size, as (place, mask), and every other length, as (n, 0)."""
    yield from ((place, 1 << bit) for place in range(size) for bit in range(8))
    yield from ((length, 0) for length in range(1, size + _LONGER_BYTES + 1) if length != size)


def damaged(raw: bytes, place: int, mask: int) -> bytes:
    """`raw` with that damage."""
    if mask:
        return raw[:place] + bytes([raw[place] ^ mask]) + raw[place + 1 :]
    return (raw + bytes(_LONGER_BYTES))[:place]


async def _requests(every: int) -> Outcome:
    with tempfile.TemporaryDirectory() as directory, closing(Premises(Path(directory))) as here:
        lock = ready(here)
        async with here.running(lock):
            cases = granted = 0
            for place, mask in [*damages(len(damage.REQ))][::every]:
                device = Device(here, f"device {cases}")
                message = damaged(device.req(), place, mask)
                granted += await device.says(message) != denied(message)
                cases += 1
            granted += len(lock.sessions)
            device = Device(here, "an honest device")
            if await device.says(device.req()) is None or len(lock.sessions) != 1:
                raise AssertionError("a request without damage is not granted")
            return Outcome(cases, granted)


async def _reports(every: int) -> Outcome:
    with tempfile.TemporaryDirectory() as directory, closing(Premises(Path(directory))) as here:
        lock = ready(here)
        async with here.running(lock):
            session = (await here.ask()).session.session_id
            lock.event(EventType.OPENED, session)
            await settle()
            before, cases = _known(here, lock), 0
            for message in damage.REPORTS:
                for raw in [*every_damage(lock.report(message))][::every]:
                    here.office.correspondence.on_report(lock.keys.lock_id, raw)
                    cases += 1
                    if cases % _AT_ONCE == 0:  # else some would wait in vain, and not be judged
                        await settle()
                await settle()
            effects = int(_known(here, lock) != before)
            if here.counted(Counted.DROPPED_REPORT):
                raise AssertionError("not all of them were heard")
            lock.event(EventType.OPENED, session)
            await settle()
            if _known(here, lock) == before:
                raise AssertionError("a report without damage has no effect")
            return Outcome(cases, effects)


def _known(here: Premises, lock: PaperLock) -> tuple[object, ...]:
    """What a report may change at the issuer."""
    audited = len(here.operator.audit.find(AuditFilter()))
    return audited, here.operator.locks.epoch(lock.keys.lock_id), len(here.broker.log)


def requests(effort: Effort) -> Outcome:
    """How many damaged requests were answered with anything but the denial."""
    return asyncio.run(_requests(effort.of(1, 32)))


def reports(effort: Effort) -> Outcome:
    """Whether damaged reports have changed anything at the issuer."""
    return asyncio.run(_reports(effort.of(1, 16)))


ATTACKS: Final = [
    Attack("every bit, every length", "REQ, at the issuer's reception and store", requests),
    Attack("every bit, every length", "what a lock says, at the issuer's ear and store", reports),
]
