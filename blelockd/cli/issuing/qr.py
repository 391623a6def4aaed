"""A text as a QR code in the terminal: two modules a character, dark on light on every terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_QUIET_MODULES: Final = 4  # ISO/IEC 18004, 5.3.8: what must be light around it
_BLOCKS: Final = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
_BLACK_ON_WHITE: Final = "\x1b[38;5;16;48;5;231m"  # of the fixed colours, which no theme changes
_AS_BEFORE: Final = "\x1b[0m"


def in_terminal(text: str) -> str:
    """The lines to print. `text` is best upper-case letters, digits and `$%*+-./:`."""
    rows = matrix(text)
    pairs = zip(rows[::2], [*rows[1::2], [False] * len(rows)], strict=False)
    return "\n".join(
        _BLACK_ON_WHITE
        + "".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        + _AS_BEFORE
        for upper, lower in pairs
    )


def matrix(text: str) -> Sequence[Sequence[bool]]:
    """The modules, row by row with the quiet zone; True is dark."""
    from qrcode.constants import ERROR_CORRECT_L
    from qrcode.main import QRCode

    code = QRCode(error_correction=ERROR_CORRECT_L, border=_QUIET_MODULES)
    code.add_data(text)
    code.make(fit=True)
    rows: list[list[bool]] = code.get_matrix()
    return [[bool(module) for module in row] for row in rows]
