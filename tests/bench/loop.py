"""What a slot roll costs, and how long the lock's event loop is blocked while sessions come, roll
and go.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Sequence
from typing import Final

from blelockd.adapters.clock import SystemClock
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.verifier import Rules, Verifier
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Target, Tell
from tests.bench.lock_scenes import Scene, play, version_1
from tests.bench.lock_scenes_v2 import version_2
from tests.bench.scenery import SLOT_MS, session_of
from tests.bench.timing import MICRO, MILLI

MANY: Final = 10_000
QUICK_MANY: Final = 1_000
LONGEST_BLOCK_MS: Final = 5.0
_PIECE: Final = 32

_ROLLS: Final = (
    Column("version", "version"),
    Column("sessions", "live sessions"),
    Column("learn_us", "learn one", "µs"),
    Column("roll_us", "roll one", "µs"),
    Column("piece_ms", f"longest piece of {_PIECE}", "ms"),
    Column("memory_bytes", "memory of one", "bytes"),
)
_BLOCKS: Final = (
    Column("version", "version"),
    Column("scene", "meanwhile"),
    Column("turns", "turns"),
    Column("work_ms", "longest work", "ms"),
    Column("work_over_1_ms", "over 1 ms"),
    Column("collector_ms", "collector", "ms"),
    Column("clock_ms", "by the clock", "ms"),
)
_NOTES: Final = (
    "A probe takes every turn of the loop; a block is what lies between two of its turns.",
    "Work is what our thread computed (the target's measure), the garbage collector included.",
    "By the clock there is what others did to this machine, too: the first row has nothing else.",
)


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    rolls = []
    for version in (1, 2):
        for size in effort.pick((1, 100, 10_000, 100_000), (1, 100, 1_000)):
            tell(f"slot rolls of {size:,} sessions of version {version}")
            rolls.append(_roll_row(size, version))
    many = effort.pick(MANY, QUICK_MANY)
    scenes = {"1": await play(version_1, many, effort, tell)}
    scenes["2"] = await play(version_2, many, effort, tell)
    rows = tuple(
        (
            version,
            name,
            probe.turns,
            probe.longest_work_seconds * MILLI,
            probe.long_turns,
            probe.longest_collection_seconds * MILLI,
            probe.longest_seconds * MILLI,
        )
        for version, played in scenes.items()
        for name, probe in played
    )
    return Findings(
        (
            Table("rolls", "a slot roll", _ROLLS, tuple(rolls)),
            Table("blocks", f"the loop, with {many:,} sessions", _BLOCKS, rows),
        ),
        tuple(_target(version, played, many) for version, played in scenes.items()),
        _NOTES,
    )


def _target(version: str, played: Sequence[Scene], many: int) -> Target:
    work = max(probe.longest_work_seconds for _, probe in played[1:]) * MILLI
    what = f"longest event-loop block at {many:,} sessions, v{version}"
    return Target(what, work, "ms", at_most=LONGEST_BLOCK_MS)


def _roll_row(size: int, version: int) -> tuple[Cell, ...]:
    now = SystemClock().now()
    begun = time.perf_counter()
    verifier = _verifier_of(size, now, version)
    learnt_seconds = time.perf_counter() - begun
    rolls = max(1, min(20, 20_000 // size))
    pieces: list[float] = []
    for number in range(1, rolls + 1):
        pieces += _roll(verifier, Instant(now + number * SLOT_MS))
    return (
        version,
        size,
        learnt_seconds / size * MICRO,
        sum(pieces) / (size * rolls) * MICRO,
        max(pieces) * MILLI,
        _bytes_of_one(size, version) if size == MANY else None,
    )


def _verifier_of(size: int, now: Instant, version: int) -> Verifier:
    verifier = Verifier(Rules(), Instant(now - 10 * SLOT_MS))
    for _ in range(size):
        verifier.learn(session_of(os.urandom(SessionKey.SIZE), now, version), now)
    return verifier


def _bytes_of_one(size: int, version: int) -> float:
    """What the allocator gives for a live session: counted by itself, since it slows all else."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        verifier = _verifier_of(size, SystemClock().now(), version)
        return (tracemalloc.get_traced_memory()[0] - before) / len(verifier)
    finally:
        tracemalloc.stop()


def _roll(verifier: Verifier, now: Instant) -> list[float]:
    """What each piece of one slot roll took."""
    pieces = []
    rolled = _PIECE
    while rolled == _PIECE:
        begun = time.thread_time()
        rolled = verifier.advance(now, _PIECE)
        pieces.append(time.thread_time() - begun)
    return pieces
