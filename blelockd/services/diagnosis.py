"""What a doctor finds: one finding for each thing that must be in order, and the worst of them.

A finding that is not in order names its cause and the next step; no check ever raises out of here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Grade(IntEnum):
    """How a finding stands; the higher, the worse."""

    FINE = 0
    DOUBTFUL = 1
    BROKEN = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is what was looked at, `told` what was found there, in one line.

    `cause` is for programs (empty where all is fine), `remedy` the next step for people.
    """

    check: str
    grade: Grade
    told: str
    cause: str = ""
    remedy: str = ""


def fine(check: str, told: str) -> Finding:
    """All is in order."""
    return Finding(check, Grade.FINE, told)


def doubtful(check: str, cause: str, told: str, remedy: str) -> Finding:
    """It works, or cannot be seen from here; somebody should look."""
    return Finding(check, Grade.DOUBTFUL, told, cause, remedy)


def broken(check: str, cause: str, told: str, remedy: str) -> Finding:
    """The door will not open while this is so."""
    return Finding(check, Grade.BROKEN, told, cause, remedy)


Check = Callable[[], AsyncIterator[Finding]]
"""Looks at one thing, and yields what it finds."""


async def examine(checks: Sequence[tuple[str, Check]]) -> AsyncIterator[Finding]:
    """The findings of all checks, in order. A check that fails itself is a finding, too."""
    for name, check in checks:
        try:
            async for finding in check():
                yield finding
        except Exception as error:  # noqa: BLE001 - the other checks are wanted all the same
            told = f"could not be examined: {type(error).__name__}: {error}"
            yield doubtful(name, "unexamined", told, "report this with the line above")


def worst(findings: Sequence[Finding]) -> Grade:
    """The grade of the worst finding."""
    return max((finding.grade for finding in findings), default=Grade.FINE)
