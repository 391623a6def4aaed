"""How many adverts a second the whole lock takes, and how long each waits for its decision.

The real blelock-lock on a virtual host: virtual bluetoothd, real D-Bus, real bleak, the lock's
every check and journal line. `bus`: from just before bluetoothd tells the bus to the decision.
`air`: from when the advert left. Every advert has a new token, most of them a stranger's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.bench import proc
from tests.bench.crowd import Crowd
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Target, Tell
from tests.bench.stamps import read_stamps
from tests.bench.timing import MICRO, MILLI, NANO, percentile
from tests.bench.whole_lock import HOST, SETTLED_SECONDS, WholeLock, whole_lock

STEADY_PER_SECOND: Final = 480
LONGEST_P50_MS: Final = 1.0
RAMP: Final = (1_000, 2_000, 4_000, 6_000, 8_000, 12_000, 16_000, 20_000)
QUICK_RAMP: Final = (1_000,)
_PHONES: Final = 50
_SESSIONS: Final = 20
_GUEST_EVERY: Final = 48  # adverts: ten a second, when they come steadily
_RSSI_DBM: Final = -60
_DRAIN_SECONDS: Final = 1.0

_COLUMNS: Final = (
    Column("version", "version"),
    Column("asked_per_second", "asked for", "1/s"),
    Column("sent_per_second", "on the air", "1/s"),
    Column("lost_percent", "lost", "%"),
    Column("bus_p50_ms", "bus p50", "ms"),
    Column("bus_p99_ms", "bus p99", "ms"),
    Column("bus_longest_ms", "bus longest", "ms"),
    Column("guest_p50_ms", "guests' p50", "ms"),
    Column("air_p50_ms", "air p50", "ms"),
    Column("cpu_us", "CPU of one", "µs"),
)
_NOTES: Final = (
    "Virtual air: no radio is measured. One real scanner hears some 490 adverts/s before they "
    "collide.",
    "Air, bluetoothd, D-Bus daemon and lock share this machine's cores: the most without loss is "
    "what they reach together.",
)


@dataclass(frozen=True, slots=True)
class Phase:
    """What became of the adverts of one rate. Latencies in seconds, of those that arrived."""

    asked_per_second: float
    sent_per_second: float
    sent: int
    bus: list[float]
    guests: list[float]
    air: list[float]
    cpu_seconds: float

    @property
    def lost(self) -> int:
        """How many adverts were never decided."""
        return self.sent - len(self.air)

    def row(self) -> tuple[Cell, ...]:
        """One line of the table."""
        return (
            self.asked_per_second,
            self.sent_per_second,
            self.lost / self.sent * 100,
            _of(self.bus, 0.50),
            _of(self.bus, 0.99),
            _of(self.bus, 1.0),
            _of(self.guests, 0.50),
            _of(self.air, 0.50),
            self.cpu_seconds / max(1, len(self.air)) * MICRO,
        )


def _of(seconds: list[float], share: float) -> float | None:
    return percentile(seconds, share) * MILLI if seconds else None


@dataclass(frozen=True, slots=True)
class Run:
    """What a lock with sessions of that version was found to take."""

    version: int
    phases: tuple[Phase, ...]
    """The steady one, and then ever faster ones."""

    @property
    def most_per_second(self) -> float:
        """The highest rate of which nothing was lost."""
        return max((phase.sent_per_second for phase in self.phases if not phase.lost), default=0.0)

    def targets(self) -> Iterator[Target]:
        """What the project promises of the steady phase."""
        steady = self.phases[0]
        what = f"bus to decision at {STEADY_PER_SECOND} adverts/s, v{self.version}, p50"
        yield Target(what, _of(steady.bus, 0.5) or 0.0, "ms", at_most=LONGEST_P50_MS)
        what = f"adverts lost at {STEADY_PER_SECOND}/s, v{self.version}"
        yield Target(what, steady.lost, at_most=0)


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    runs = [await _run(version, effort, tell) for version in (1, 2)]
    rows = tuple((run.version, *phase.row()) for run in runs for phase in run.phases)
    summary = Table(
        "most",
        "in short",
        (
            Column("version", "version"),
            Column("without_loss_per_second", "the most without loss", "1/s"),
        ),
        tuple((run.version, run.most_per_second) for run in runs),
    )
    return Findings(
        (Table("rates", "the whole lock", _COLUMNS, rows), summary),
        tuple(target for run in runs for target in run.targets()),
        _NOTES,
    )


async def _run(version: int, effort: Effort, tell: Tell) -> Run:
    tell(f"a lock with live sessions of version {version}")
    async with whole_lock(_SESSIONS, version) as lock:
        crowd = Crowd(lock.sessions, _GUEST_EVERY, version)
        tell("warming up")
        await _phase(lock, crowd, STEADY_PER_SECOND, SETTLED_SECONDS)
        seconds = effort.pick(20.0, 2.0)
        tell(f"version {version}: {STEADY_PER_SECOND} adverts/s for {seconds:.0f} s")
        phases = [await _phase(lock, crowd, STEADY_PER_SECOND, seconds)]
        for rate in effort.pick(RAMP, QUICK_RAMP):
            tell(f"version {version}: {rate:,} adverts/s")
            phases.append(await _phase(lock, crowd, rate, effort.pick(3.0, 1.0)))
            if phases[-1].lost:
                break
    return Run(version, tuple(phases))


async def _phase(lock: WholeLock, crowd: Crowd, per_second: float, seconds: float) -> Phase:
    """Adverts at that rate for so long, and what became of them."""
    crowd.forget()
    cpu = proc.cpu_seconds(lock.pid)
    report = await lock.air.flood(
        devices=_PHONES,
        per_second=per_second,
        seconds=seconds,
        payload=crowd.advert,
        rssi_dbm=_RSSI_DBM,
        to=HOST,
    )
    await asyncio.sleep(_DRAIN_SECONDS)
    cpu = proc.cpu_seconds(lock.pid) - cpu
    told, decided = read_stamps(lock.bus_stamps), read_stamps(lock.lock_stamps)
    arrived = [token for token in crowd.sent if token in told and token in decided]
    return Phase(
        asked_per_second=per_second,
        sent_per_second=report.adverts / report.seconds,
        sent=len(crowd.sent),
        bus=[(decided[token] - told[token]) / NANO for token in arrived],
        guests=[
            (decided[token] - told[token]) / NANO for token in arrived if token in crowd.guests
        ],
        air=[(decided[token] - crowd.sent[token]) / NANO for token in arrived],
        cpu_seconds=cpu,
    )
