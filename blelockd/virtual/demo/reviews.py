"""After the play: a table of the scenes with what was measured, and what is running where."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from blelockd.virtual.demo.cast import Cast
from blelockd.virtual.demo.narrator import Narrator
from blelockd.virtual.demo.play import Latency, Played


def show_table(
    narrator: Narrator, played: Sequence[Played], seconds: float, logs: Path | None
) -> None:
    """What happened in each scene, and a sentence on the whole."""
    marks = narrator.marks
    table = Table(box=marks.frame)
    table.add_column("scene", ratio=1)
    table.add_column("what came of it", ratio=1)
    table.add_column("measured", no_wrap=True)
    table.add_column("", no_wrap=True)
    for number, each in enumerate(played, 1):
        came, measured, mark = "not played", "", ""
        if each.outcome is not None:
            came, mark = each.outcome.came, marks.right
            measured = "\n".join(map(_latency, each.outcome.latencies))
        elif each.stumble is not None:
            came, mark = f"expected {each.stumble.expected}", marks.wrong
        cells = (f"{number} {each.scene.title}", came, measured)
        table.add_row(*map(narrator.fit, cells), mark)
    narrator.show()
    narrator.show(table)
    good = sum(each.outcome is not None for each in played)
    narrator.say(f"{good} of {len(played)} scenes ended as they should, in {seconds:.0f} s.")
    if logs is not None:
        narrator.show(narrator.fit(f"The logs of every process are in {logs}"), is_long=True)


def _latency(latency: Latency) -> str:
    seconds = latency.seconds
    if seconds >= 1:
        number, unit = f"{seconds:.1f}", "s"
    else:
        number, unit = f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f}", "ms"
    return f"{number:>3} {unit:<2} {latency.what}"


def show_cast(narrator: Narrator, cast: Cast) -> None:
    """What is running, and where."""
    table = Table(box=narrator.marks.frame)
    for column in ("running", "pid", "where"):
        table.add_column(column)
    running = [daemon for daemon in cast.daemons if daemon.is_running]
    hosts, broker = cast.stage.air.hosts.values(), cast.stage.broker
    rows = [(f"blelock-{daemon.role}", daemon.pid, daemon.host.name) for daemon in running]
    rows += [("bluetoothd", host.bluetoothd_pid or 0, host.name) for host in hosts]
    for name, pid, host_name in rows:
        table.add_row(name, str(pid), f"host {host_name}, on a D-Bus of its own")
    table.add_row("mosquitto", str(broker.pid), f"{broker.host}, port {broker.port}")
    between = f"{cast.middleman.host}, port {cast.middleman.port}"
    table.add_row("this demo", str(os.getpid()), f"{between}: the lock's way to mosquitto")
    narrator.show()
    narrator.show(table)
