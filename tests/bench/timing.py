"""How time is taken, so that ratios hold on a machine that others use as well.

What is compared is measured in turns, round by round, and each ratio is taken within its round: a
neighbour's burst hits both sides or falls out with the median.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

MICRO = 1e6
NANO = 1e9
MILLI = 1e3


def seconds_per_call(work: Callable[[T], object], arguments: Sequence[T]) -> float:
    """The computing time of one call of `work`, the loop around it included, on average."""
    begun = time.thread_time()
    for argument in arguments:
        work(argument)
    return (time.thread_time() - begun) / len(arguments)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that is not exceeded by `share` (0 to 1) of them: the nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median_ratio(dear: Sequence[float], cheap: Sequence[float]) -> float:
    """How many times `cheap` goes into `dear`: the median over the rounds of both."""
    return statistics.median(d / c for d, c in zip(dear, cheap, strict=True))


@contextmanager
def without_old_garbage() -> Iterator[None]:
    """Collect what lies about, and keep the collector from going through it again and again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
