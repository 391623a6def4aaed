"""Mutants that no test can tell from the original, each with the reason."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {}
"""By the mutant's name."""
