"""Whether the kernel's radio switch is set against Bluetooth, as sysfs tells it. Reads only.

https://www.kernel.org/doc/Documentation/ABI/stable/sysfs-class-rfkill
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

_SWITCHES: Final = Path("/sys/class/rfkill")


class Block(StrEnum):
    """What holds the radio off."""

    SOFT = "soft"
    HARD = "hard"


def block_of(adapter: str, switches: Path = _SWITCHES) -> Block | None:
    """What blocks `adapter` (hciN): its own switch, or one for all Bluetooth; None: nothing."""
    blocks = set()
    for switch in sorted(switches.glob("rfkill*")):
        name = _read(switch / "name")
        another_adapter = name.startswith("hci") and name != adapter
        if _read(switch / "type") != "bluetooth" or another_adapter:
            continue
        blocks |= {block for block in Block if _read(switch / block) == "1"}
    return Block.HARD if Block.HARD in blocks else Block.SOFT if blocks else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # the adapter was unplugged between two reads
        return ""
