"""A guest's clock from 30 s behind to 30 s ahead, in steps of 0.1 s: its tokens open exactly in the
window that the session's terms allow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from blelockd.protocol.instants import Instant
from blelockd.protocol.verdict import Admit
from tests.attack.attacks import Attack, Effort, Outcome
from tests.fakes import enrolled as cast
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import NOON

WIDEST_MS: Final = 30_000
STEP_MS: Final = 100
SKEWS_MS: Final = range(-WIDEST_MS, WIDEST_MS + 1, STEP_MS)

Window = tuple[int, int, int]
"""slot_ms, win_back, win_fwd."""


def windows(effort: Effort) -> Iterator[Window]:
    """The terms, which sweep the bounds of the protocol."""
    lengths = (1000, 3000, 7000, 60_000) if effort.whole else (1000, 3000)
    return itertools.product(lengths, range(4) if effort.whole else (0, 1), (0, 1))


def phases(slot_ms: int, effort: Effort) -> list[int]:
    """Where in its slot the lock is when it hears: at both ends, and between them."""
    steps = effort.of(8, 2)
    return [*(slot_ms * step // steps for step in range(steps)), slot_ms - 1]


def is_allowed(window: Window, token_ms: int, heard_ms: int) -> bool:
    """A token that is made at `token_ms` counts from `win_fwd` slots before its own slot begins to
    `win_back` slots after it has ended.
    """
    slot_ms, back, ahead = window
    begins_ms = token_ms - token_ms % slot_ms
    return begins_ms - ahead * slot_ms <= heard_ms < begins_ms + (1 + back) * slot_ms


def opens(window: Window, token_ms: int, heard_ms: int) -> bool:
    """Whether a lock that has heard nothing before admits it."""
    slot_ms, back, ahead = window
    session = cast.a_v2_session(
        slot_ms=slot_ms,
        slots_back=back,
        slots_ahead=ahead,
        not_after=Instant(NOON + 10_000_000),
    )
    lock = BareLock()
    lock.learn(session, Instant(heard_ms))
    advert = cast.advert(session, Instant(token_ms))
    return isinstance(lock.hears(advert, Instant(heard_ms)), Admit)


def swept(effort: Effort) -> Outcome:
    """How many decisions there were, and how many were not those of the window."""
    cases = wrong = 0
    for window in windows(effort):
        slot_ms = window[0]
        begins_ms = NOON + -NOON % slot_ms  # the session begins shortly before noon
        for phase_ms, skew_ms in itertools.product(phases(slot_ms, effort), SKEWS_MS):
            heard_ms = begins_ms + phase_ms
            token_ms = heard_ms + skew_ms
            cases += 1
            wrong += opens(window, token_ms, heard_ms) is not is_allowed(window, token_ms, heard_ms)
    return Outcome(cases, wrong)


ATTACKS: Final = [
    Attack("clock skew", "-30 to +30 s in steps of 0.1 s: decisions beside the window", swept)
]
