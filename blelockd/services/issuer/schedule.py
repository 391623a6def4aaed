"""When a rule holds: weekdays, hours, holidays and dates, by the clock on the wall.

What counts is what that clock shows. An hour that comes twice in autumn counts both times, one
that is left out in spring never comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, Instant

MINUTES_A_DAY: Final = 24 * 60
EVERY_DAY: Final = frozenset(range(7))
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, and what clock and calendar on the wall show then."""

    at: Instant
    day: date
    minute: int
    """Since midnight."""


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of a day, in minutes since midnight: from `begin` to before `end`.

    Where `end` is not after `begin`, they go on past midnight and belong to the day before.
    """

    begin: int
    end: int

    @property
    def past_midnight(self) -> bool:
        """Whether it ends on the day after the one to which it belongs."""
        return self.end <= self.begin


WHOLE_DAY: Final = (Window(0, MINUTES_A_DAY),)


class Holidays(StrEnum):
    """What a rule makes of holidays."""

    ANY = "any"
    EXCEPT = "except"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Calendar:
    """Where the wall is, and which days are holidays: single ones, and those of each year."""

    zone: tzinfo = UTC
    holidays: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    """Month and day."""

    def moment(self, at: Instant) -> Moment:
        """That instant on the wall."""
        shown = datetime.fromtimestamp(at // MS_PER_SECOND, self.zone)
        return Moment(at, shown.date(), shown.hour * 60 + shown.minute)

    def instant(self, day: date, minute: int) -> Instant:
        """When the wall shows that, for the first time; if it never does, what is as late."""
        midnight = datetime.combine(day, time.min, self.zone)
        shown = midnight + timedelta(minutes=minute)  # on the wall: zones do not count here
        return Instant(int(shown.timestamp()) * MS_PER_SECOND)

    def is_holiday(self, day: date) -> bool:
        """Whether that day is one."""
        return day in self.holidays or (day.month, day.day) in self.yearly


@dataclass(frozen=True, slots=True)
class When:
    """All of these at once. Hours past midnight belong to the day on which they begin.

    `days` are 0 (Monday) to 6. It is over at the instant `ends`.
    """

    days: frozenset[int] = EVERY_DAY
    windows: tuple[Window, ...] = WHOLE_DAY
    holidays: Holidays = Holidays.ANY
    begins: Instant | None = None
    ends: Instant | None = None

    def holds(self, moment: Moment, calendar: Calendar) -> bool:
        """Whether it is then."""
        if self.begins is not None and moment.at < self.begins:
            return False
        if self.ends is not None and moment.at >= self.ends:
            return False
        return any(self._within(window, moment, calendar) for window in self.windows)

    def _within(self, window: Window, moment: Moment, calendar: Calendar) -> bool:
        if not window.past_midnight:
            return window.begin <= moment.minute < window.end and self._day(moment.day, calendar)
        if moment.minute >= window.begin:
            return self._day(moment.day, calendar)
        return moment.minute < window.end and self._day(moment.day - _ONE_DAY, calendar)

    def _day(self, day: date, calendar: Calendar) -> bool:
        if day.weekday() not in self.days:
            return False
        return self.holidays is Holidays.ANY or calendar.is_holiday(day) is (
            self.holidays is Holidays.ONLY
        )


ALWAYS: Final = When()
