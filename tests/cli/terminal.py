"""A person at a terminal."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """A person who types these lines."""

    def isatty(self) -> bool:
        """Yes."""
        return True
