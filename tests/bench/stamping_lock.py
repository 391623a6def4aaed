"""blelock-lock as it is, but for a stamp on each advert once it is decided."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from blelockd.cli.lock import main
from blelockd.services.lock.admission import Admission
from blelockd.services.ports import Sighting
from tests.bench.stamps import StampWriter

STAMPS: Final = "BLELOCK_BENCH_LOCK_STAMPS"

if __name__ == "__main__":
    writer = StampWriter(Path(os.environ[STAMPS]))
    decide = Admission.on_sighting

    def decide_and_stamp(self: Admission, sighting: Sighting) -> None:
        """The verdict is given, counted or told, and the strike is on its way."""
        decide(self, sighting)
        writer.stamp(sighting.payload)

    Admission.on_sighting = decide_and_stamp  # type: ignore[method-assign]
    sys.exit(main())
