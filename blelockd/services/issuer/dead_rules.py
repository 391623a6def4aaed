"""Rules that can never decide: they hold at no time, or only when one before them does.

Looked at are those minutes alone where something may begin or end, on enough days to meet every
weekday, holiday or not, between any two dates that a rule names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.services.issuer.access import Policy, Rule
from blelockd.services.issuer.schedule import MINUTES_A_DAY, Calendar, Holidays, Moment

_MOST_LOOKS: Final = 200_000  # a policy that takes more to see through gets the benefit of doubt
_SOMEBODY_ELSE: Final = "\0"
_SOMEWHERE_ELSE: Final = None
_STRETCH_DAYS: Final = 28
_AROUND_DAYS: Final = 15
_HALF_A_YEAR_DAYS: Final = 183
_WEEKDAYS_REPEAT_YEARS: Final = 28
_A_MONDAY: Final = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class DeadRule:
    """A rule that never decides, and the rules before it that do; none where it never holds."""

    rule: Rule
    because_of: tuple[str, ...]


def dead_rules(policy: Policy) -> Iterator[DeadRule]:
    """Those of `policy`, in its order."""
    search = _Search(policy.calendar)
    for at, rule in enumerate(policy.rules):
        if not search.finds(rule, ()):
            yield DeadRule(rule, ())
            continue
        cases = {_about(policy.rules[:at], person, lock) for person, lock in _pairs(rule, policy)}
        if not any(search.finds(rule, before) for before in cases):
            names = {other.name for case in cases for other in case}
            yield DeadRule(rule, tuple(r.name for r in policy.rules[:at] if r.name in names))


def _pairs(rule: Rule, policy: Policy) -> Iterator[tuple[str, LockId | None]]:
    """Everybody the rule is about at each lock; who is in no list stands for all like them."""
    people = rule.people if rule.people is not None else {*policy.people, _SOMEBODY_ELSE}
    locks = rule.locks if rule.locks is not None else {*policy.locks, _SOMEWHERE_ELSE}
    return product(people, locks)


def _about(rules: Sequence[Rule], person: str, lock: LockId | None) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in rules
        if (rule.people is None or person in rule.people)
        and (rule.locks is None or lock in rule.locks)
    )


class _Search:
    """Looks for a minute at which a rule decides, and gives up when it has looked at too many."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._left = _MOST_LOOKS

    def finds(self, rule: Rule, before: tuple[Rule, ...]) -> bool:
        """Whether `rule` holds at some minute, and none of those before it; or it took too long."""
        calendar, rules = self._calendar, (rule, *before)
        for day, minute in product(_days(rules, calendar), _minutes(rules, calendar)):
            moment = calendar.moment(calendar.instant(day, minute))
            if rule.when.holds(moment, calendar) and not any(
                other.when.holds(moment, calendar) for other in before
            ):
                return True
            self._left -= len(rules)
            if self._left <= 0:
                return True
        return False


def _bounds(rules: Sequence[Rule], calendar: Calendar) -> list[Moment]:
    return [
        calendar.moment(bound)
        for rule in rules
        for bound in (rule.when.begins, rule.when.ends)
        if bound is not None
    ]


def _minutes(rules: Sequence[Rule], calendar: Calendar) -> list[int]:
    """Where a stretch in which `rules[0]` decides may begin."""
    windows = [window for rule in rules for window in rule.when.windows]
    begins = {0, *(window.begin for window in windows)}
    ends = {window.end % MINUTES_A_DAY for window in windows}
    return sorted(begins | ends | {bound.minute for bound in _bounds(rules, calendar)})


def _days(rules: Sequence[Rule], calendar: Calendar) -> Iterator[date]:
    bounds = [bound.day for bound in _bounds(rules, calendar)]
    usual = max([_A_MONDAY, *bounds, *calendar.holidays]) + timedelta(days=2 * _STRETCH_DAYS)
    for start in (usual, usual + timedelta(days=_HALF_A_YEAR_DAYS)):
        yield from _around(start, _STRETCH_DAYS)
    for bound in bounds:
        yield from _around(bound, _AROUND_DAYS)
    if any(rule.when.holidays is not Holidays.ANY for rule in rules):
        for holiday in _holidays(calendar, [_A_MONDAY, *bounds]):
            yield from _around(holiday, 1)


def _holidays(calendar: Calendar, bounds: Sequence[date]) -> Iterator[date]:
    yield from sorted(calendar.holidays)
    years = range(min(bounds).year - 1, max(bounds).year + _WEEKDAYS_REPEAT_YEARS)
    for (month, day), year in product(sorted(calendar.yearly), years):
        if (month, day) != (2, 29) or _is_leap(year):
            yield date(year, month, day)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _around(day: date, days: int) -> Iterator[date]:
    return (day + timedelta(days=shift) for shift in range(-days, days + 1))
