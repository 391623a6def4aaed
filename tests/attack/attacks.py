"""What an attack is, and how much of it is played: all by `make attack`, a part by the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """`whole` is the attack as docs/threat-model.md counts it; else a short form of seconds."""

    whole: bool

    def of(self, whole: int, short: int) -> int:
        """How much of something."""
        return whole if self.whole else short


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many tries there were, and how many were accepted or had an effect.

    `allowed` of them are as they should be; an attack that made no try has found nothing out.
    """

    cases: int
    accepted: int
    allowed: int = 0

    @property
    def failed(self) -> bool:
        """Whether something was accepted that should not be, or refused that should not be."""
        return self.accepted != self.allowed or not self.cases


Play = Callable[[Effort], Outcome]


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the table."""

    name: str
    title: str
    play: Play


def rows(name: str, plays: dict[str, Play]) -> Iterator[Attack]:
    """Attacks of one name, told apart by their titles."""
    return (Attack(name, title, play) for title, play in plays.items())
