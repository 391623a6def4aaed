"""How often something may be asked for: a bucket of `burst` that refills at a steady rate."""

from __future__ import annotations

from collections import OrderedDict


class Allowance:
    """One bucket: `take` succeeds at most `burst` times at once and `per_second` on average."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._level = float(burst)
        self._at_seconds: float | None = None

    def take(self, now_seconds: float) -> bool:
        """Whether one more is allowed at `now_seconds` (monotonic)."""
        if self._at_seconds is not None:
            refilled = self._level + (now_seconds - self._at_seconds) * self._per_second
            self._level = min(self._burst, refilled)
        self._at_seconds = now_seconds
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Allowances:
    """A bucket for each peer, for at most `most_peers`: the one longest unused makes room."""

    def __init__(self, per_second: float, burst: int, most_peers: int = 256) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most_peers = most_peers
        self._peers: OrderedDict[str, Allowance] = OrderedDict()

    def take(self, peer: str, now_seconds: float) -> bool:
        """Whether `peer` is allowed one more at `now_seconds` (monotonic)."""
        allowance = self._peers.pop(peer, None) or Allowance(self._per_second, self._burst)
        self._peers[peer] = allowance
        if len(self._peers) > self._most_peers:
            self._peers.popitem(last=False)
        return allowance.take(now_seconds)
