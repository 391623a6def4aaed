"""The kinds of value that access rules have: names, weekdays, hours, dates, time zones."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from blelockd.config.errors import Unacceptable, quoted
from blelockd.config.kinds import OneValue, Unfit, near_miss, show_text
from blelockd.protocol.errors import Malformed
from blelockd.services.issuer.access import LONGEST_NAME_BYTES, person_name
from blelockd.services.issuer.schedule import EVERY_DAY, MINUTES_A_DAY, Window

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_DATE: Final = re.compile(r"(2[0-9]{3})-([0-9]{2})-([0-9]{2})")
_EACH_YEAR: Final = re.compile(r"([0-9]{2})-([0-9]{2})")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_LEAP_YEAR: Final = 2000


def person() -> OneValue[str]:
    """A person's name, as `guest invite` took it."""

    def parse(text: str) -> str:
        try:
            return person_name(text)
        except Malformed as error:
            raise Unfit from error

    return OneValue(
        f"a name of 1 to {LONGEST_NAME_BYTES} printable bytes", parse, lambda x: show_text(x)
    )


def group_name(what: str) -> OneValue[str]:
    """The name of a group or rule."""

    def parse(text: str) -> str:
        if not _NAME.fullmatch(text):
            raise Unfit
        return text

    expected = f"{what}'s name: 1 to 32 of A-Z a-z 0-9 _ -, first a letter or digit"
    return OneValue(expected, parse, show_text)


def time_zone() -> OneValue[ZoneInfo]:
    """A zone of the IANA database, from Debian's package tzdata."""

    def parse(text: str) -> ZoneInfo:
        try:
            if _ZONE.fullmatch(text):
                return ZoneInfo(text)
        except (KeyError, ValueError, OSError):  # what it raises for what is no zone's file
            pass
        known = zoneinfo.available_timezones()
        raise Unfit(near_miss(text, known) if known else "the package tzdata is not installed")

    return OneValue("a time zone of the IANA database, such as Europe/Berlin", parse)


# --- days --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weekdays:
    """A list of days and of stretches of days, as 0 (Monday) to 6."""

    expected: str = f"a list of {', '.join(DAY_NAMES)}, or stretches such as mon-fri"

    def __call__(self, value: object) -> frozenset[int]:
        if not isinstance(value, list) or not value:
            hint = f"write it as a list: [{value}]" if isinstance(value, str) else ""
            raise Unacceptable(self.expected, hint if _days(value) else "")
        days: set[int] = set()
        for item in value:
            named = _days(item)
            if not named:
                found = quoted(item) if isinstance(item, str) else "a list or section"
                raise Unacceptable(self.expected, found=found)
            if days & named:
                raise Unacceptable(self.expected, "each only once", found="a day twice")
            days |= named
        return frozenset(days)

    def show(self, value: Iterable[int]) -> str:
        """A list in brackets."""
        days = sorted(value)
        if days == sorted(EVERY_DAY):
            return "[mon-sun]"
        return "[" + ", ".join(DAY_NAMES[day] for day in days) + "]"


def _days(item: object) -> set[int]:
    """The days that `fri` or `fri-mon` names; none for anything else."""
    first, dash, last = item.partition("-") if isinstance(item, str) else ("", "", "")
    if first not in DAY_NAMES or (dash and last not in DAY_NAMES):
        return set()
    begin, end = DAY_NAMES.index(first), DAY_NAMES.index(last or first)
    return {day % 7 for day in range(begin, end + (1 if end >= begin else 8))}


@dataclass(frozen=True, slots=True)
class Holiday:
    """One day, of one year or, where `year` is None, of each."""

    month: int
    day: int
    year: int | None = None


def holiday() -> OneValue[Holiday]:
    """`2026-04-03`, or `12-25` for each year."""

    def parse(text: str) -> Holiday:
        each = _EACH_YEAR.fullmatch(text)
        if each is None:
            found = _date(text)
            return Holiday(found.month, found.day, found.year)
        found = date(_LEAP_YEAR, int(each[1]), int(each[2]))
        return Holiday(found.month, found.day)

    return OneValue("a date such as 2026-04-03, or 12-25 for every year", parse)


def _date(text: str) -> date:
    if not (match := _DATE.fullmatch(text)):
        raise Unfit
    return date(int(match[1]), int(match[2]), int(match[3]))


# --- hours -------------------------------------------------------------------------------------


def hours() -> OneValue[Window]:
    """`08:00-12:30`, or `22:00-06:00` past midnight."""

    def parse(text: str) -> Window:
        first, dash, last = text.partition("-")
        begin, end = _minute(first), _minute(last)
        if not dash or begin == MINUTES_A_DAY:
            raise Unfit
        if begin == end:
            raise Unfit("the whole day is 00:00-24:00")
        return Window(begin, end)

    return OneValue("hours such as 08:00-12:30, or 22:00-06:00 past midnight", parse, show_window)


def _minute(text: str) -> int:
    if not (match := _TIME.fullmatch(text)):
        raise Unfit
    return MINUTES_A_DAY if match[1] is None else int(match[1]) * 60 + int(match[2])


def show_window(window: Window) -> str:
    """`08:00-12:30`."""
    times = (window.begin, window.end)
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in times)


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A minute by the clock on the wall."""

    day: date
    minute: int


def first_moment() -> OneValue[LocalTime]:
    """`2026-11-01`, from its first minute on, or `2026-11-01 08:00`."""
    return OneValue(_MOMENT, lambda text: _moment(text, days_later=0))


def last_moment() -> OneValue[LocalTime]:
    """`2026-11-30`, to its last minute, or before `2026-11-30 18:00`."""
    return OneValue(_MOMENT, lambda text: _moment(text, days_later=1))


_MOMENT: Final = "a date such as 2026-11-01, or with a time, 2026-11-01 08:00"


def _moment(text: str, days_later: int) -> LocalTime:
    day, blank, clock = text.partition(" ")
    if blank:
        return LocalTime(_date(day), _minute(clock))
    return LocalTime(_date(day) + timedelta(days=days_later), 0)
