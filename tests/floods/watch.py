"""What a flood costs a daemon: its memory, and the lines that it writes about strangers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from blelockd.virtual.stage import DaemonProcess, Told
from tests.bench import proc
from tests.bench.figures import Cell, Column, Target
from tests.bench.timing import percentile

MOST_GROWTH_MIB: Final = 10.0
MOST_LINES_A_MINUTE: Final = 1.0
_MINUTE_SECONDS: Final = 60.0

OF_HONEST_GUESTS: Final = frozenset(
    {
        "unlock",
        "secured",
        "held-back",
        "session-issued",
        "session-delivered",
        "session-received",
        "session-ended",
        "session-revoked",
        "session-obtained",
        "lock-greeted",
        "lock-status",
        "audit-signed",
        "door",
        "revocation",
    }
)
"""What is told of a guest who is let in, and would be told without any flood."""

COLUMNS: Final = (
    Column("what", "flood"),
    Column("asked_per_second", "asked for", "1/s"),
    Column("sent_per_second", "sent", "1/s"),
    Column("seconds", "for", "s"),
    Column("honest", "honest", "guests"),
    Column("p50_s", "served p50", "s"),
    Column("p99_s", "p99", "s"),
    Column("longest_s", "longest", "s"),
    Column("growth_mib", "memory", "MiB more"),
    Column("lines_a_minute", "log lines", "1/min"),
)


@dataclass(slots=True)
class Watch:
    """One daemon from `begin` to `end`. `growth_mib` is of resident memory, never below 0.

    What is told of the sessions of `honest`, by their ids, is not told of strangers.
    """

    daemon: DaemonProcess
    honest: frozenset[str] = frozenset()
    growth_mib: float = 0.0
    lines: Counter[str] = field(default_factory=Counter)
    _since: int = 0
    _before_mib: float = 0.0
    _unparsed: int = 0
    _faults: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """The flood begins."""
        self._since, self._unparsed = len(self.daemon.events), len(self.daemon.unparsed)
        self._before_mib = proc.memory(self.daemon.pid).rss_mib

    def end(self) -> None:
        """It is over; the daemon runs, or this raises RuntimeError."""
        self.growth_mib = max(0.0, proc.memory(self.daemon.pid).rss_mib - self._before_mib)
        told = self.daemon.events[self._since :]
        self.lines = Counter(one.kind for one in told if not self._is_honest(one))
        self._faults = sorted({one.message for one in told if one.kind == "fault"})
        self.lines["unparsed"] += len(self.daemon.unparsed) - self._unparsed
        self.lines += Counter()

    def _is_honest(self, told: Told) -> bool:
        return told.kind in OF_HONEST_GUESTS or told.fields.get("session") in self.honest

    def a_minute(self, seconds: float) -> float:
        """How often the kind of line that came most often came in a minute.

        The first line tells of the beginning, whenever that is: it is not counted.
        """
        most = max(self.lines.values(), default=0)
        return max(0, most - 1) / max(1.0, seconds / _MINUTE_SECONDS)

    def told(self) -> str:
        """The kinds of lines, and how many of each; of faults the words."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.lines.items()))
        return "; ".join([kinds or "none", *self._faults])


@dataclass(frozen=True, slots=True)
class Flooded:
    """What one flood came to. `served` is how long each honest guest waited, in seconds."""

    what: str
    asked_per_second: float
    sent: int
    seconds: float
    served: Sequence[float]
    watch: Watch

    def row(self) -> tuple[Cell, ...]:
        """One line of the table of COLUMNS."""
        waits = list(self.served)
        return (
            self.what,
            self.asked_per_second,
            self.sent / self.seconds,
            self.seconds,
            len(waits),
            percentile(waits, 0.50) if waits else None,
            percentile(waits, 0.99) if waits else None,
            max(waits, default=None),
            self.watch.growth_mib,
            self.watch.a_minute(self.seconds),
        )

    def targets(self, *, most_seconds: float, share: float, came: int) -> tuple[Target, ...]:
        """The bounds: all that `came` are served, so many of them in time; memory; log lines."""
        waits = list(self.served)
        words = "longest" if share >= 1.0 else f"p{share * 100:.0f}"
        return (
            Target(f"{self.what}: honest guests not served", came - len(waits), at_most=0),
            Target(
                f"{self.what}: an honest guest is served, {words}",
                percentile(waits, share) if waits else float("inf"),
                "s",
                at_most=most_seconds,
            ),
            Target(
                f"{self.what}: memory that {self.watch.daemon.role} grew by",
                self.watch.growth_mib,
                "MiB",
                at_most=MOST_GROWTH_MIB,
            ),
            Target(
                f"{self.what}: further log lines of a kind of {self.watch.daemon.role}",
                self.watch.a_minute(self.seconds),
                "1/min",
                at_most=MOST_LINES_A_MINUTE,
            ),
        )
