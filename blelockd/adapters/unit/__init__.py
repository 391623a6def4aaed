"""What systemd and its journal say of a daemon's unit. Reads only."""

from blelockd.adapters.unit.asking import NoSystemd
from blelockd.adapters.unit.status import PartStatus, UnitStatus, status_of
from blelockd.adapters.unit.told import Deeds, ToldEvent, deeds_of

__all__ = [
    "Deeds",
    "NoSystemd",
    "PartStatus",
    "ToldEvent",
    "UnitStatus",
    "deeds_of",
    "status_of",
]
