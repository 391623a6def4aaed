"""The picture of a calibration: every advert as a dot, near and far, and the lines between them.

SVG by hand: what it needs of a drawing is dots, lines and words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from blelockd.services.lock.calibration import Heard
from blelockd.services.lock.signals import Signal

_WIDTH: Final = 900
_HEIGHT: Final = 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 60, 60
_FONT: Final = "font-family='sans-serif' font-size='13'"
_COLOURS: Final = ("#1f77b4", "#d95f02")
_ROOM_DB: Final = 5
_GRID_DB: Final = 10
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold, with its name."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is shown. `value` is what stands upwards; with `near_is_low` the axis is turned round,
    so that who is nearer is always higher.
    """

    title: str
    axis: str
    value: Callable[[Signal], int | None]
    near_is_low: bool
    places: Sequence[tuple[str, Sequence[Heard]]]
    lines: Sequence[Line]


def svg(drawing: Drawing) -> str:
    """The picture, a whole file."""
    return "\n".join(_Picture(drawing).parts()) + "\n"


class _Picture:
    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._dots = [
            [
                (each.seconds, value)
                for each in heard
                if (value := drawing.value(each.signal)) is not None
            ]
            for _, heard in drawing.places
        ]
        values = [value for dots in self._dots for _, value in dots]
        values += [line.value for line in drawing.lines] or [0]
        self._low = (min(values) - _ROOM_DB) // _GRID_DB * _GRID_DB
        self._high = -(-(max(values) + _ROOM_DB) // _GRID_DB) * _GRID_DB
        longest = max((seconds for dots in self._dots for seconds, _ in dots), default=1.0)
        self._seconds = max(longest, 1.0)

    def parts(self) -> Iterator[str]:
        yield (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' "
            f"viewBox='0 0 {_WIDTH} {_HEIGHT}'>"
        )
        yield f"<rect width='{_WIDTH}' height='{_HEIGHT}' fill='white'/>"
        yield _text(_LEFT, 28, self._drawing.title, "font-weight='bold'")
        yield from self._grid()
        for number, (name, _) in enumerate(self._drawing.places):
            yield from self._place(number, name)
        yield from self._lines()
        yield "</svg>"

    def _grid(self) -> Iterator[str]:
        right = _WIDTH - _RIGHT
        for value in range(self._low, self._high + 1, _GRID_DB):
            y = self._y(value)
            yield f"<line x1='{_LEFT}' y1='{y}' x2='{right}' y2='{y}' stroke='#ddd'/>"
            yield _text(_LEFT - 8, y + 4, str(value), "text-anchor='end'")
        for tick in range(_TICKS + 1):
            seconds = self._seconds * tick / _TICKS
            yield _text(self._x(seconds), _HEIGHT - _BOTTOM + 20, f"{seconds:.0f}", _MIDDLE)
        yield _text((_LEFT + right) / 2, _HEIGHT - 16, "seconds at each place", _MIDDLE)
        yield _text(_LEFT, _TOP - 10, f"{self._drawing.axis}; nearer is higher")

    def _place(self, number: int, name: str) -> Iterator[str]:
        colour, dots = _COLOURS[number % len(_COLOURS)], self._dots[number]
        for seconds, value in dots:
            at = f"cx='{self._x(seconds)}' cy='{self._y(value)}'"
            yield f"<circle {at} r='4' fill='{colour}' fill-opacity='0.6'/>"
        x, y = _WIDTH - _RIGHT + 20, _TOP + 8 + 22 * number
        yield f"<circle cx='{x}' cy='{y}' r='5' fill='{colour}'/>"
        yield _text(x + 12, y + 4, f"{name} ({len(dots)})")

    def _lines(self) -> Iterator[str]:
        right = _WIDTH - _RIGHT
        for number, line in enumerate(self._drawing.lines):
            y = self._y(line.value)
            dash = "" if number == 0 else " stroke-dasharray='6 4'"
            yield (
                f"<line x1='{_LEFT}' y1='{y}' x2='{right}' y2='{y}' stroke='#2a2a2a' "
                f"stroke-width='1.5'{dash}/>"
            )
            yield _text(right + 8, y + 4, f"{line.name} {line.value}")

    def _x(self, seconds: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / self._seconds, 1)

    def _y(self, value: int) -> float:
        part = (value - self._low) / (self._high - self._low)
        part = part if self._drawing.near_is_low else 1 - part
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * part, 1)


_MIDDLE: Final = "text-anchor='middle'"


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f"<text x='{x}' y='{y}' {_FONT} {more}>{escape(words)}</text>"
