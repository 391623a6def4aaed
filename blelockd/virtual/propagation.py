"""How well one radio is heard by another: a path-loss model, and overrides for every pair.

Pure but for its own seeded dice: the same seed and the same calls lose the same adverts.
Ends are named `host` or `host/adapter`; the more exact name wins.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Final

REFERENCE_DBM: Final = -55.0
"""What is received at 1 m: a phone at 0 dBm, in the middle of what calibrations report."""

SENSITIVITY_DBM: Final = -100.0
"""Below this no controller hears anything."""

PATH_LOSS_EXPONENT: Final = 2.0
"""Free space; indoors 1.6 to 3.3 (ITU-R P.1238)."""


@dataclass(frozen=True, slots=True)
class Path:
    """The way between two ends, the same in both directions."""

    rssi_dbm: float = REFERENCE_DBM
    loss: float = 0.0
    noise_db: float = 0.0


class Propagation:
    """Every path of one air. The default path is 1 m of free space without loss or noise."""

    def __init__(self, seed: int = 0) -> None:
        self._dice = random.Random(seed)
        self._paths: dict[frozenset[str], Path] = {}
        self.default = Path()

    def set_rssi(self, a: str, b: str, rssi_dbm: float) -> None:
        """Fix what `a` and `b` receive of each other."""
        self._change(a, b, replace(self._exactly(a, b), rssi_dbm=rssi_dbm))

    def set_distance(self, a: str, b: str, metres: float) -> None:
        """Put `metres` of free space between `a` and `b`."""
        self.set_rssi(a, b, rssi_at(metres))

    def set_loss(self, a: str, b: str, probability: float) -> None:
        """Lose this share of the adverts between `a` and `b`; at 1 no link survives either."""
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability is 0 to 1, not {probability}")
        self._change(a, b, replace(self._exactly(a, b), loss=probability))

    def set_noise(self, a: str, b: str, standard_deviation_db: float) -> None:
        """Let the RSSI between `a` and `b` vary, as a hand or a passer-by makes it vary."""
        self._change(a, b, replace(self._exactly(a, b), noise_db=standard_deviation_db))

    def between(self, a: str, b: str) -> Path:
        """The path between two radios (`host/adapter`)."""
        host_a, host_b = a.partition("/")[0], b.partition("/")[0]
        for pair in ((a, b), (a, host_b), (host_a, b), (host_a, host_b)):
            path = self._paths.get(frozenset(pair))
            if path is not None:
                return path
        return self.default

    def received_dbm(self, a: str, b: str) -> int | None:
        """Throw the dice for one advert: what is received of it, or None when nothing is."""
        path = self.between(a, b)
        if path.loss and self._dice.random() < path.loss:
            return None
        rssi_dbm = path.rssi_dbm
        if path.noise_db:
            rssi_dbm = self._dice.gauss(rssi_dbm, path.noise_db)
        return None if rssi_dbm < SENSITIVITY_DBM else min(20, round(rssi_dbm))

    def can_link(self, a: str, b: str) -> bool:
        """Whether a link between the two can live: retransmission heals loss, but not all of it."""
        path = self.between(a, b)
        return path.loss < 1 and path.rssi_dbm >= SENSITIVITY_DBM

    def _exactly(self, a: str, b: str) -> Path:
        return self._paths.get(frozenset((a, b)), self.between(a, b))

    def _change(self, a: str, b: str, path: Path) -> None:
        self._paths[frozenset((a, b))] = path


def rssi_at(metres: float) -> float:
    """What is received at this distance, in dBm."""
    if metres <= 0:
        raise ValueError(f"a distance is more than 0 m, not {metres}")
    return REFERENCE_DBM - 10 * PATH_LOSS_EXPONENT * math.log10(metres)
