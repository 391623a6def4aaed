"""How long a guest waits for its session at the issuer: one connection to the broker for life,
beside the seed's connection for every session.

From the write that completes the request to the notified answer; a real mosquitto, RSA-3072 keys,
no radio. The seed's side does the same cryptography and then publishes in its own way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.adapters.mqtt import BrokerSettings, IssuerOutlet
from blelockd.protocol.keys import PrivateKey
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import seal
from blelockd.protocol.v1.request import Request
from blelockd.services.issuer.issuance import Issuance, IssuancePolicy
from blelockd.services.issuer.outbox import Outbox
from blelockd.services.issuer.provider import Provider, ProviderLimits
from blelockd.services.ports import CharacteristicWrite, Peer
from blelockd.services.tally import Tally
from blelockd.virtual.broker import Broker, running_broker
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Target, Tell
from tests.bench.lock_scenes import KEY_BITS, Keys
from tests.bench.scenery import LOCK_ID, NONCE, unread_journal
from tests.bench.seed_way import publish_session
from tests.bench.timing import MILLI, median_ratio, percentile

_MTU: Final = 517
_LINK_SECONDS: Final = 10.0
_ROUND: Final = 40
_GUEST: Final = "guest"

_COLUMNS: Final = (
    Column("way", "way"),
    Column("sessions", "sessions"),
    Column("p50_ms", "p50", "ms"),
    Column("p99_ms", "p99", "ms"),
    Column("longest_ms", "longest", "ms"),
)
_NOTES: Final = (
    "The seed's second is paho's: loop_stop() waits for a thread that sleeps in select() for up to "
    "1 s, and nothing wakes it.",
    "A sealed answer costs one more signature: the guest offered a key of its own.",
)


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    tell(f"keys of {KEY_BITS} bits")
    keys = await asyncio.to_thread(Keys.generate)
    rounds = effort.pick(8, 2)
    guest_key = PrivateKey(await asyncio.to_thread(rsa.generate_private_key, 65537, KEY_BITS))
    plain, sealed = Request(LOCK_ID), Request(LOCK_ID, unlocker_public_key=guest_key.public_key)
    ours: list[list[float]] = []
    ours_sealed: list[float] = []
    seeds: list[list[float]] = []
    with running_broker() as broker:
        async with _issuer(broker, keys) as issue:
            await issue.take(plain, 5)
            for number in range(rounds):
                tell(f"round {number + 1} of {rounds}: ours")
                ours.append(await issue.take(plain, _ROUND))
                ours_sealed += await issue.take(sealed, _ROUND)
                tell(f"round {number + 1} of {rounds}: the seed's")
                seeds.append(await asyncio.to_thread(as_the_seed, broker, keys, 2))
    ratio = median_ratio([percentile(s, 0.5) for s in seeds], [percentile(o, 0.5) for o in ours])
    rows = (
        _row("one connection for life", list(chain(*ours))),
        _row("the same, answer sealed to the guest", ours_sealed),
        _row("a connection per session (seed)", list(chain(*seeds))),
    )
    return Findings(
        (Table("issue", f"one session, RSA-{KEY_BITS}", _COLUMNS, rows),),
        (Target("session issue p50: faster than the seed's way", ratio, "x", at_least=300.0),),
        _NOTES,
    )


def _row(way: str, seconds: Sequence[float]) -> tuple[Cell, ...]:
    return (
        way,
        len(seconds),
        percentile(seconds, 0.50) * MILLI,
        percentile(seconds, 0.99) * MILLI,
        max(seconds) * MILLI,
    )


class _Issuing:
    """The issuer's characteristic without BlueZ: writes go in, notifications come out."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.answers = 0

    async def take(self, request: Request, count: int) -> list[float]:
        """How long each of `count` requests waited for its answer, in seconds."""
        write = CharacteristicWrite(_GUEST, request.encode(), _MTU)
        seconds = []
        for _ in range(count):
            expected = self.answers + 1
            begun = time.perf_counter()
            await self._provider.on_write(self, write)
            seconds.append(time.perf_counter() - begun)
            assert self.answers == expected, "the request was not answered"
        return seconds

    # --- ports.Peripheral ----------------------------------------------------------------------

    async def identify(self, device: str) -> Peer:
        """Nobody in particular."""
        return Peer(device)

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """The answer leaves; a denial is no answer."""
        if b'"status":"error"' not in frames[0]:
            self.answers += 1

    def offer(self, device: str, value: bytes) -> None:
        """Nobody reads."""


@asynccontextmanager
async def connected_outlet(broker: Broker, clock: SystemClock) -> AsyncIterator[IssuerOutlet]:
    """The issuer's way to the broker, its link up."""
    connected = asyncio.Event()
    settings = BrokerSettings("bench-issuer", host=broker.host, port=broker.port)
    with unread_journal(clock) as journal:
        outlet = IssuerOutlet(
            settings,
            lambda _lock: None,
            lambda _lock, _report: None,
            lambda is_up, _detail: connected.set() if is_up else None,
            Tally(journal, clock, 60),
        )
        link = asyncio.create_task(outlet.run())
        try:
            await asyncio.wait_for(connected.wait(), _LINK_SECONDS)
            yield outlet
        finally:
            link.cancel()
            await asyncio.wait({link})


@asynccontextmanager
async def _issuer(broker: Broker, keys: Keys) -> AsyncIterator[_Issuing]:
    """The issuer from the characteristic to the broker, as the role wires it."""
    clock = SystemClock()
    without_end = 1_000_000
    limits = ProviderLimits(without_end, without_end, without_end, without_end)
    policy = IssuancePolicy({LOCK_ID: keys.lock.public_key})
    with unread_journal(clock) as journal:
        async with connected_outlet(broker, clock) as outlet:
            outbox = Outbox(outlet, journal, clock)
            issuance = Issuance(keys.issuer, policy, outbox, journal, clock, system_entropy)
            yield _Issuing(Provider(issuance, limits, Tally(journal, clock, 60), clock))


def as_the_seed(broker: Broker, keys: Keys, count: int) -> list[float]:
    """The same session, but every one over a connection of its own."""
    seconds = []
    for _ in range(count):
        begun = time.perf_counter()
        key = SessionKey(system_entropy(SessionKey.SIZE))
        grant = Grant(key, int(time.time()) + 300, NONCE, None, None)
        message = seal(LOCK_ID, grant, keys.lock.public_key, keys.issuer)
        publish_session(broker.host, broker.port, f"locks/{LOCK_ID}/session", message)
        seconds.append(time.perf_counter() - begun)
    return seconds
