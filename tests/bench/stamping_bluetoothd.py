"""The virtual bluetoothd as it is, but for a stamp on each advert just before it tells the bus."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Final

from blelockd.virtual.devices import Devices
from blelockd.virtual.wire import Heard
from tests.bench.crowd import BEFORE_THE_TOKEN
from tests.bench.stamps import StampWriter

STAMPS: Final = "BLELOCK_BENCH_BUS_STAMPS"

if __name__ == "__main__":
    writer = StampWriter(Path(os.environ[STAMPS]))
    hear = Devices.hear

    def stamp_and_hear(self: Devices, frame: Heard) -> None:
        """The token is the end of the advert."""
        writer.stamp(frame.data[BEFORE_THE_TOKEN:])
        hear(self, frame)

    Devices.hear = stamp_and_hear  # type: ignore[method-assign]
    runpy.run_module("blelockd.virtual.bluetoothd", run_name="__main__", alter_sys=True)
