"""`make demo`: the whole system, played live in scenes on a virtual air."""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
EXIT_STUMBLED: Final = 1
EXIT_CANNOT_START: Final = 69  # sysexits.h: a service is unavailable
