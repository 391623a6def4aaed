"""From a guest's request to the strike, by version 2 and by version 1: how long each step takes.

The issuer's own parts with a real store and a real mosquitto, and the real lock, which opens what
it is sent, and in version 2 acknowledges it. There is no radio between guest and issuer. `issued`:
from the write that completes a request to the notified answer.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v1.request import Request as V1Request
from blelockd.protocol.v2 import request
from blelockd.protocol.v2.ec_keys import EphemeralKey, GuestSigningKey
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.v2.headers import MessageType, RequestHeader, Status
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.tokens import Presented
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.provisioning import Carried, ProvisioningLimits
from blelockd.services.guest.provisioning_v1 import GuestIdentity, V1Provisioning
from blelockd.services.guest.provisioning_v2 import V2Identity, V2Provisioning
from blelockd.services.ports import IssuerMark
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Tell
from tests.bench.front_door import SLOT_SECONDS, FrontDoor, TimedPeripheral, front_door
from tests.bench.intake import Intake, intake_of
from tests.bench.issuing import as_the_seed
from tests.bench.scenery import LOCK_ID
from tests.bench.timing import MILLI, percentile
from tests.fakes.central import FakeCentral

AT_ONCE: Final = 16
_LARGEST_WRITE_BYTES: Final = 508
_STATUS_AT: Final = 4 + 3  # behind the header of the frame
_PATIENCE_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 0.01
_MARK: Final = IssuerMark(name="IssuerBeacon")
_LIMITS: Final = ProvisioningLimits()

_ISSUE: Final = (
    Column("version", "version"),
    Column("at_once", "guests at once"),
    Column("sessions", "sessions"),
    Column("p50_ms", "p50", "ms"),
    Column("p99_ms", "p99", "ms"),
    Column("longest_ms", "longest", "ms"),
    Column("per_second", "in all", "1/s"),
    Column("seed_ratio", "the seed's p50", "x"),
)
_WAY: Final = (
    Column("version", "version"),
    Column("visits", "visits"),
    Column("session_p50_ms", "request to session p50", "ms"),
    Column("strike_p50_ms", "token to strike p50", "ms"),
    Column("whole_p50_ms", "request to strike p50", "ms"),
    Column("whole_p99_ms", "p99", "ms"),
)
_INTAKE: Final = (
    Column("version", "version"),
    Column("sessions", "sessions"),
    Column("per_second", "taken", "1/s"),
    Column("cpu_ms", "CPU of one at the lock", "ms"),
)
_NOTES: Final = (
    "Version 1 answers when the broker has the lock's copy; version 2 commits the session to the "
    "disk, and waits until the lock has opened and acknowledged it.",
    "The strike is a shell that runs `date`: some milliseconds of every visit are the start of a "
    "process.",
    "No radio: connecting and the exchange over GATT come on top, and a guest's advert waits for "
    "its interval.",
)


@dataclass(frozen=True, slots=True)
class Issued:
    """How long each of so many guests waited for its session, and how long all of it took."""

    version: str
    at_once: int
    waited: Sequence[float]
    took: float


Requests = Callable[[], tuple[str, bytes]]
"""A fresh guest's device and its request, in one write."""


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    tell("issuer and lock are introduced")
    async with front_door() as door:
        versions = (("2", door.v2, _requests_v2(door)), ("1", door.v1, _requests_v1()))
        for _, peripheral, requests in versions:
            await _round(peripheral, requests, 1)  # to warm up
        issue = [
            await _issued(version, peripheral, requests, at_once, effort, tell)
            for at_once in (1, AT_ONCE)
            for version, peripheral, requests in versions
        ]
        tell("the seed's way")
        seeds = await asyncio.to_thread(
            as_the_seed, door.stage.broker, door.keys_v1(), effort.pick(5, 1)
        )
        way = await _visits(door, effort.pick(40, 2), tell)
        tell("envelopes at the lock")
        intakes = [await intake_of(door, version, effort.pick(500, 40)) for version in ("2", "1")]
    return Findings(
        (
            Table("issue", "a session is issued", _ISSUE, _issue_rows(issue, seeds)),
            Table("way", "from request to strike", _WAY, tuple(way)),
            Table("intake", "sessions at the lock", _INTAKE, tuple(map(_intake_row, intakes))),
        ),
        (),
        _NOTES,
    )


# --- issued --------------------------------------------------------------------------------------


async def _issued(
    version: str,
    peripheral: TimedPeripheral,
    requests: Requests,
    at_once: int,
    effort: Effort,
    tell: Tell,
) -> Issued:
    rounds = effort.pick(200, 5) if at_once == 1 else effort.pick(15, 1)
    peripheral.waited.clear()
    took = 0.0
    for number in range(rounds):
        tell(f"version {version}, {at_once} at once: round {number + 1} of {rounds}")
        took += await _round(peripheral, requests, at_once)
    return Issued(version, at_once, list(peripheral.waited), took)


def _issue_rows(issued: Sequence[Issued], seeds: Sequence[float]) -> tuple[tuple[Cell, ...], ...]:
    seeds_p50 = percentile(seeds, 0.50)
    each = (*issued, Issued("the seed", 1, seeds, sum(seeds)))
    return tuple(
        (
            of.version,
            of.at_once,
            len(of.waited),
            percentile(of.waited, 0.50) * MILLI,
            percentile(of.waited, 0.99) * MILLI,
            max(of.waited) * MILLI,
            len(of.waited) / of.took,
            seeds_p50 / percentile(of.waited, 0.50),
        )
        for of in each
    )


async def _round(peripheral: TimedPeripheral, requests: Requests, at_once: int) -> float:
    """So many guests ask at the same moment; how long until the last has its session."""
    asking = await asyncio.to_thread(lambda: [requests() for _ in range(at_once)])
    peripheral.answers.clear()
    begun = time.perf_counter()
    await asyncio.gather(*(peripheral.write(device, message) for device, message in asking))
    took = time.perf_counter() - begun
    assert len(peripheral.answers) == at_once, "a request was not answered"
    for answer in peripheral.answers:
        assert _is_grant(answer), f"no session: {answer[:80]!r}"
    return took


def _is_grant(frame: bytes) -> bool:
    if frame.startswith(b"{"):
        return b'"status":"error"' not in frame
    return frame[_STATUS_AT] == Status.GRANTED


def _requests_v1() -> Requests:
    message = V1Request(LOCK_ID).encode()
    return lambda: (f"device {os.urandom(4).hex()}", message)


def _requests_v2(door: FrontDoor) -> Requests:
    def one() -> tuple[str, bytes]:
        device, key = door.guest()
        info = Info.decode(door.v2.on_read(device))
        asked = request.Request(
            key.public_key.guest_id,
            EphemeralKey.derive(system_entropy(32)).public_key,
            system_entropy(request.NONCE_BYTES),
            SystemClock().now(),
            0,
            LOCK_ID,
        )
        header = RequestHeader.to(info, MessageType.REQ)
        seal_key = door.issuer_card.seal_key
        message = request.write(header, asked, key, seal_key, system_entropy(32))
        (frame,) = frames(message, _LARGEST_WRITE_BYTES)
        return device, frame

    return one


# --- request to strike ---------------------------------------------------------------------------


async def _visits(door: FrontDoor, count: int, tell: Tell) -> list[tuple[Cell, ...]]:
    """Guests come, one after the other and of both versions in turns, and are let in."""
    seconds: dict[str, list[tuple[float, float, float]]] = {"2": [], "1": []}
    for number in range(count):
        tell(f"visit {number + 1} of {count}")
        for version, visits in seconds.items():
            visits.append(await _visit(door, version))
    return [_way_row(version, visits) for version, visits in seconds.items()]


async def _visit(door: FrontDoor, version: str) -> tuple[float, float, float]:
    """Seconds from request to session, from token to strike, and in all."""
    device, key = door.guest()
    obtain = _v2(door, device, key) if version == "2" else _v1(door, device)
    since, struck = len(door.lock.events), len(door.strikes())
    begun = time.time()
    carried = await obtain()
    obtained = time.time()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while len(door.strikes()) == struck:
            slot = carried.session.slot_at(carried.now())
            door.shows(carried.session.scheme.token(slot).reveal())
            await asyncio.sleep(_AGAIN_SECONDS)
    at = door.strikes()[struck]
    await door.lock.told("secured", _PATIENCE_SECONDS, since=since)
    return obtained - begun, at - obtained, at - begun


def _v2(door: FrontDoor, device: str, key: GuestSigningKey) -> Callable[[], Awaitable[Carried]]:
    clock = SystemClock()
    way = Issuer(FakeCentral(door.v2, device), _MARK, _LIMITS, clock)
    identity = V2Identity(key, door.issuer_card, Presented())
    provisioning = V2Provisioning(way, identity, clock, system_entropy)
    return lambda: provisioning.obtain(LOCK_ID)


def _v1(door: FrontDoor, device: str) -> Callable[[], Awaitable[Carried]]:
    central, slot_ms = FakeCentral(door.v1, device), SLOT_SECONDS * MS_PER_SECOND
    provisioning = V1Provisioning(central, _MARK, GuestIdentity(), _LIMITS, slot_ms, SystemClock())
    return lambda: provisioning.obtain(LOCK_ID)


def _way_row(version: str, visits: Sequence[tuple[float, float, float]]) -> tuple[Cell, ...]:
    session, strike, whole = zip(*visits, strict=True)
    return (
        version,
        len(visits),
        percentile(session, 0.50) * MILLI,
        percentile(strike, 0.50) * MILLI,
        percentile(whole, 0.50) * MILLI,
        percentile(whole, 0.99) * MILLI,
    )


def _intake_row(of: Intake) -> tuple[Cell, ...]:
    return of.version, of.sessions, of.sessions / of.seconds, of.cpu_seconds / of.sessions * MILLI
