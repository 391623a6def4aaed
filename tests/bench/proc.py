"""What the kernel knows of a process: its memory, its computing time, how often it woke."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NS_PER_SECOND: Final = 1e9
_MIB_PER_KIB: Final = 1 / 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB: what is resident, and its fair share of that, each page split among its users."""

    rss_mib: float
    pss_mib: float


def memory(pid: int) -> Memory:
    """proc(5), smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return Memory(kib["Rss"] * _MIB_PER_KIB, kib["Pss"] * _MIB_PER_KIB)


def cpu_seconds(pid: int) -> float:
    """What all threads that live have computed so far: proc(5), schedstat, its first number."""
    return sum(
        int((task / "schedstat").read_text().split()[0])
        for task in Path(f"/proc/{pid}/task").iterdir()
    ) / (_NS_PER_SECOND)


def wake_ups(pid: int) -> int:
    """How often its threads have waited for something and gone on."""
    pattern = re.compile(r"^voluntary_ctxt_switches:\s+(\d+)", re.M)
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        found = pattern.search((task / "status").read_text())
        total += int(found.group(1)) if found else 0
    return total
