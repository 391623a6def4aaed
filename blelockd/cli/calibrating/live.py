"""The live part of `calibrate`: who is heard, how loud, redrawn in place on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final

from blelockd.services.lock.calibration import Heard

_BAR_CELLS: Final = 30
_LOUDEST_DBM, _SOFTEST_DBM = -30, -100
_MOST_SENDERS: Final = 8
_SESSION_CHARACTERS: Final = 8


class Screen:
    """`with Screen("near") as screen: screen.show(...)`; silent where nobody looks."""

    def __init__(self, place: str, *, is_shown: bool) -> None:
        self._place = place
        self._live: Any = None
        if is_shown and sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(highlight=False, markup=False, emoji=False)
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, heard: Sequence[Heard], left_seconds: float) -> None:
        """Of each sender the last advert."""
        if self._live is not None:
            title = f"{self._place}: {left_seconds:.0f} s more"
            self._live.update(_table(title, heard), refresh=True)


def bar(rssi_dbm: int) -> str:
    """A signal as a bar: empty at -100 dBm, full at -30."""
    part = (rssi_dbm - _SOFTEST_DBM) / (_LOUDEST_DBM - _SOFTEST_DBM)
    full = round(_BAR_CELLS * min(1.0, max(0.0, part)))
    return "█" * full + "░" * (_BAR_CELLS - full)


def _table(title: str, heard: Sequence[Heard]) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("sender", "session", "signal", "dBm", "lost dB", "adverts", "says the lock"):
        table.add_column(name, no_wrap=True)
    last = {each.signal.address: each.signal for each in heard}
    for address, signal in list(last.items())[-_MOST_SENDERS:]:
        lost = signal.path_loss_db
        table.add_row(
            address,
            signal.session[:_SESSION_CHARACTERS],
            bar(signal.rssi_dbm),
            str(signal.rssi_dbm),
            "" if lost is None else str(lost),
            str(sum(each.signal.address == address for each in heard)),
            signal.said,
        )
    return table
