"""What one advert costs the lock, by the number of live sessions, beside the seed's way.

Foreign: no session knows it. Valid: it opens. Repeated: it has opened and is heard again, as every
phone's advert is, some ten times a second. `token`: the judgement alone; `whole`: from the
sighting to the door, journal line included.
"""

from __future__ import annotations

import logging
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from blelockd.services.ports import Sighting
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Target, Tell
from tests.bench.scenery import (
    ADDRESS,
    RSSI_DBM,
    BenchLock,
    PushedClock,
    stranger,
    unread_journal,
)
from tests.bench.seed_way import SeedLock
from tests.bench.seed_way import log as seed_log
from tests.bench.timing import (
    MICRO,
    NANO,
    median_ratio,
    seconds_per_call,
    without_old_garbage,
)

SIZES: Final = (1, 10, 100, 1_000, 10_000, 100_000)
QUICK_SIZES: Final = (1, 100, 10_000)
_COMPANY_ID: Final = 0xFFFF
_SEED_TOKENS_A_ROUND: Final = 20_000
_VALID_A_ROUND: Final = 60

VERSIONS: Final = (1, 2)

Samples = dict[str, list[float]]
Which = tuple[int, int]
"""Of which version the sessions are, and how many."""


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    sizes = effort.pick(SIZES, QUICK_SIZES)
    rounds = effort.pick(9, 3)
    clock = PushedClock()
    with unread_journal(clock) as journal, _seed_logs_to_nobody():
        locks: dict[Which, BenchLock] = {}
        for size in sizes:
            for version in VERSIONS:
                tell(f"learning {size:,} sessions of version {version}")
                locks[version, size] = BenchLock(size, journal, clock, version)
        samples: dict[Which, Samples] = {which: defaultdict(list) for which in locks}
        with without_old_garbage():
            for number in range(rounds):
                for size in sizes:
                    tell(f"round {number + 1} of {rounds}: {size:,} sessions")
                    seed = _seed_round(locks[1, size].seed, size)
                    for version in VERSIONS:
                        which = version, size
                        _one_round(locks[which], samples[which], effort)
                        for what, seconds in seed.items():
                            samples[which][what].append(seconds)
    return _findings(samples)


def _seed_round(seed: SeedLock, size: int) -> dict[str, float]:
    """The seed's way, on tokens of its own size."""
    strangers = [stranger(1) for _ in range(max(2, min(200, _SEED_TOKENS_A_ROUND // (2 * size))))]
    adverts = [_as_the_seed_hears(token) for token in strangers]
    return {
        "seed_foreign": seconds_per_call(seed.opens, strangers),
        "seed_whole_foreign": seconds_per_call(seed.on_advert, adverts),
    }


def _one_round(lock: BenchLock, samples: Samples, effort: Effort) -> None:
    """Ours, on adverts that were made before."""
    strangers = [stranger(lock.version) for _ in range(effort.pick(20_000, 2_000))]
    samples["foreign"].append(seconds_per_call(_judging(lock), strangers))
    on_sighting = lock.admission.on_sighting
    sightings = [Sighting(token, ADDRESS, RSSI_DBM) for token in strangers[:5_000]]
    samples["whole_foreign"].append(seconds_per_call(on_sighting, sightings))
    _valid_round(lock, samples)


def _valid_round(lock: BenchLock, samples: Samples) -> None:
    """A token opens once in its slot: as many sessions, or else slots, as there must be."""
    size = len(lock.sessions)
    at_once = min(size, _VALID_A_ROUND)
    batches: Samples = defaultdict(list)
    for _ in range(max(1, _VALID_A_ROUND // at_once)):
        lock.roll()
        tokens = _tokens(lock, at_once)
        batches["valid"].append(seconds_per_call(_judging(lock), tokens))
        batches["repeated"].append(seconds_per_call(_judging(lock), tokens))
        lock.roll()
        tokens = _tokens(lock, at_once)
        sightings = [Sighting(token, ADDRESS, RSSI_DBM) for token in tokens]
        batches["whole_valid"].append(seconds_per_call(lock.admission.on_sighting, sightings))
        batches["whole_repeated"].append(seconds_per_call(lock.admission.on_sighting, sightings))
        if lock.version == 1:
            middle = [lock.token(size // 2)]  # half of the loop, as it is on average
            batches["seed_valid"].append(seconds_per_call(lock.seed.opens, middle))
    for what, seconds in batches.items():
        samples[what].append(statistics.median(seconds))


def _tokens(lock: BenchLock, count: int) -> Sequence[bytes]:
    step = len(lock.sessions) // count
    return [lock.token(number * step) for number in range(count)]


def _judging(lock: BenchLock) -> Callable[[bytes], object]:
    """The verifier's judgement at one moment; the clock is the caller's."""
    judge, now = lock.verifier.judge, lock.clock.now()
    return lambda payload: judge(payload, RSSI_DBM, ADDRESS, now)


def _as_the_seed_hears(token: bytes) -> tuple[str, int, dict[int, bytes]]:
    return ADDRESS, RSSI_DBM, {_COMPANY_ID: token}


@contextmanager
def _seed_logs_to_nobody() -> Iterator[None]:
    """Its lines are made and written as the seed's are, and read by nobody."""
    with open(os.devnull, "w", encoding="utf-8") as nobody:
        handler = logging.StreamHandler(nobody)
        handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
        before = seed_log.level, seed_log.propagate
        seed_log.addHandler(handler)
        seed_log.setLevel(logging.INFO)
        seed_log.propagate = False
        try:
            yield
        finally:
            seed_log.removeHandler(handler)
            seed_log.level, seed_log.propagate = before


def _findings(samples: dict[Which, Samples]) -> Findings:
    by_version = sorted(samples.items())
    tables = (
        Table("foreign", "a foreign advert", _FOREIGN, tuple(map(_foreign_row, by_version))),
        Table("guests", "a guest's advert", _GUESTS, tuple(map(_guest_row, by_version))),
    )
    return Findings(tables, tuple(_targets(samples)), _NOTES)


_FOREIGN: Final = (
    Column("version", "version"),
    Column("sessions", "live sessions"),
    Column("token_ns", "token", "ns"),
    Column("seed_token_us", "seed's token", "µs"),
    Column("token_ratio", "ratio", "x"),
    Column("whole_ns", "whole", "ns"),
    Column("seed_whole_us", "seed's whole", "µs"),
    Column("whole_ratio", "ratio", "x"),
)
_GUESTS: Final = (
    Column("version", "version"),
    Column("sessions", "live sessions"),
    Column("valid_us", "valid token", "µs"),
    Column("seed_valid_us", "seed's token", "µs"),
    Column("valid_ratio", "ratio", "x"),
    Column("repeated_us", "repeated token", "µs"),
    Column("whole_valid_us", "whole, opens", "µs"),
    Column("whole_repeated_us", "whole, repeated", "µs"),
)
_NOTES: Final = (
    "The seed's whole way ends in a line of log for every foreign advert; ours in a count.",
    "In the seed's loop a valid token is found half-way, as it is on average.",
)


def _foreign_row(of: tuple[Which, Samples]) -> tuple[Cell, ...]:
    (version, size), s = of
    middle = statistics.median
    return (
        version,
        size,
        middle(s["foreign"]) * NANO,
        middle(s["seed_foreign"]) * MICRO,
        median_ratio(s["seed_foreign"], s["foreign"]),
        middle(s["whole_foreign"]) * NANO,
        middle(s["seed_whole_foreign"]) * MICRO,
        median_ratio(s["seed_whole_foreign"], s["whole_foreign"]),
    )


def _guest_row(of: tuple[Which, Samples]) -> tuple[Cell, ...]:
    (version, size), s = of
    middle = statistics.median
    return (
        version,
        size,
        middle(s["valid"]) * MICRO,
        middle(s["seed_valid"]) * MICRO if s["seed_valid"] else None,
        median_ratio(s["seed_valid"], s["valid"]) if s["seed_valid"] else None,
        middle(s["repeated"]) * MICRO,
        middle(s["whole_valid"]) * MICRO,
        middle(s["whole_repeated"]) * MICRO,
    )


def _targets(samples: dict[Which, Samples]) -> Iterator[Target]:
    sizes = [size for version, size in samples if version == 1]
    for version in VERSIONS:
        for size, bound in ((1, 20.0), (100, 1_000.0), (10_000, 50_000.0)):
            if size in sizes:
                s = samples[version, size]
                ratio = median_ratio(s["seed_foreign"], s["foreign"])
                what = (
                    f"foreign advert, v{version}, live sessions {size:,}: cheaper than the seed's"
                )
                yield Target(what, ratio, "x", at_least=bound)
        largest, smallest = max(sizes), min(sizes)
        for way in ("foreign", "whole_foreign"):
            ratio = median_ratio(samples[version, largest][way], samples[version, smallest][way])
            part = "token" if way == "foreign" else "whole way"
            what = f"foreign advert, v{version}, {part}: {largest:,} sessions against {smallest:,}"
            yield Target(what, ratio, "x", at_most=6.0)
