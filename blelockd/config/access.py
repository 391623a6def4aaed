"""`access:` in issuer.yaml: who may open which lock when, as the operator writes it.

Names are resolved here; services/issuer/access.py decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from blelockd.config.access_kinds import Holiday, group_name, holiday, person, time_zone
from blelockd.config.access_sections import (
    GroupConfig,
    LockAccess,
    LockGroupConfig,
    PersonConfig,
    RuleConfig,
    limits_of,
)
from blelockd.config.bluetooth_kinds import lock_name
from blelockd.config.errors import Conflict, quoted
from blelockd.config.kinds import ListOf, near_miss, or_off
from blelockd.config.options import mapping, option
from blelockd.protocol.ids import LockId
from blelockd.services.issuer.access import Policy, Rule
from blelockd.services.issuer.dead_rules import dead_rules
from blelockd.services.issuer.schedule import WHOLE_DAY, Calendar, When

T = TypeVar("T")

EVERYONE: Final = "everyone"
EVERYWHERE: Final = "everywhere"
MOST_RULES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessConfig:
    """All of `access:`. Without rules, each guest has what its own invite gave."""

    time_zone: ZoneInfo | None = option(
        None,
        or_off(time_zone()),
        "Where the clock on the wall is that days, hours and dates are read from. Rules that have "
        "any need it.",
        example="Europe/Berlin",
        reloads=True,
    )
    holidays: tuple[Holiday, ...] = option(
        (),
        ListOf(holiday(), 0, 100, "a list of up to 100 dates"),
        "Days of one year, as 2026-04-03, and days of every year, as 12-25.",
        example="[12-25, 2026-04-03]",
        reloads=True,
    )
    people: tuple[PersonConfig, ...] = mapping(
        PersonConfig,
        "person",
        person(),
        "The people whom groups and rules name, by the name with which they were invited.",
        example="Ada: {rssi_min_dbm: -75}",
        reloads=True,
    )
    groups: tuple[GroupConfig, ...] = mapping(
        GroupConfig,
        "group",
        group_name("a group"),
        "Groups of people.",
        example="family: {people: [Ada]}",
        reloads=True,
    )
    locks: tuple[LockAccess, ...] = mapping(
        LockAccess,
        "lock_id",
        lock_name(),
        "The locks that lock groups and rules name, by lock id.",
        example="lock_01: {lifetime_seconds: 120}",
        reloads=True,
    )
    lock_groups: tuple[LockGroupConfig, ...] = mapping(
        LockGroupConfig,
        "lock_group",
        group_name("a lock group"),
        "Groups of locks.",
        example="outer: {locks: [lock_01]}",
        reloads=True,
    )
    rules: tuple[RuleConfig, ...] = mapping(
        RuleConfig,
        "rule",
        group_name("a rule"),
        "Who may open what when. The first rule that is about person, lock and time decides; where "
        "there is none, what the guest's own invite gave; where that gives nothing, nobody gets "
        "in. `blelock-issuer access check PERSON LOCK` tells what is decided, and why.",
        example="at_home: {who: [family], locks: [outer]}",
        reloads=True,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Every name is somebody's or something's, and every rule decides at some time."""
        unclear = [
            *self._ambiguous_names(),
            *self._unknown_members(),
            *self._unclear_rules(),
        ]
        yield from unclear
        if not unclear and not any(True for rule in self.rules for _ in rule.conflicts()):
            yield from self._dead_rules()

    def policy(self) -> Policy:
        """As the issuer decides by it."""
        return Policy(
            tuple(map(self._rule, self.rules)),
            self._calendar(),
            {person.person: limits_of(person) for person in self.people},
            {lock.lock_id: limits_of(lock) for lock in self.locks},
        )

    # --- names ---------------------------------------------------------------------------------

    def _people(self) -> Mapping[str, Iterable[str]]:
        """Whom each name in `who` stands for."""
        groups = {group.group: group.people for group in self.groups}
        return {**{person.person: (person.person,) for person in self.people}, **groups}

    def _locks(self) -> Mapping[str, Iterable[LockId]]:
        groups = {group.lock_group: group.locks for group in self.lock_groups}
        return {**{str(lock.lock_id): (lock.lock_id,) for lock in self.locks}, **groups}

    def _ambiguous_names(self) -> Iterator[Conflict]:
        people = {EVERYONE, *(person.person for person in self.people)}
        locks = {EVERYWHERE, *(str(lock.lock_id) for lock in self.locks)}
        if any(person.person == EVERYONE for person in self.people):
            yield Conflict(("people",), f"a person named {EVERYONE}", "that word stands for all")
        if any(str(lock.lock_id) == EVERYWHERE for lock in self.locks):
            yield Conflict(("locks",), f"a lock named {EVERYWHERE}", "that word stands for all")
        for key, names, taken in (
            ("groups", [group.group for group in self.groups], people),
            ("lock_groups", [group.lock_group for group in self.lock_groups], locks),
        ):
            for name in taken.intersection(names):
                yield Conflict((f"{key}.{name}",), "a name that is taken", "another name")

    def _unknown_members(self) -> Iterator[Conflict]:
        people = [person.person for person in self.people]
        for group in self.groups:
            key = f"groups.{group.group}.people"
            yield from _unknown(key, group.people, people, "people")
        locks = [str(lock.lock_id) for lock in self.locks]
        for lock_group in self.lock_groups:
            key = f"lock_groups.{lock_group.lock_group}.locks"
            yield from _unknown(key, map(str, lock_group.locks), locks, "locks")

    # --- rules ---------------------------------------------------------------------------------

    def _unclear_rules(self) -> Iterator[Conflict]:
        people, locks = [EVERYONE, *self._people()], [EVERYWHERE, *self._locks()]
        if len(self.rules) > MOST_RULES:
            yield Conflict(("rules",), f"{len(self.rules)} rules", f"at most {MOST_RULES}")
        for rule in self.rules:
            at = f"rules.{rule.rule}"
            yield from _unknown(f"{at}.who", rule.who, people, "people", "groups")
            yield from _unknown(f"{at}.locks", rule.locks, locks, "locks", "lock_groups")
        timed = next((rule for rule in self.rules if rule.needs_zone()), None)
        if timed is not None and self.time_zone is None:
            keys = ("time_zone", f"rules.{timed.rule}")
            found = f"off, and rule {timed.rule} has days, hours or dates"
            yield Conflict(keys, found, "a time zone, such as Europe/Berlin")

    def _dead_rules(self) -> Iterator[Conflict]:
        for dead in dead_rules(self.policy()):
            before = ", ".join(dead.because_of)
            found = (
                f"never decides: whenever it could, one before it does ({before})"
                if before
                else "never decides: its days, hours, dates and holidays are never at once"
            )
            keys = [f"rules.{name}" for name in (dead.rule.name, *dead.because_of)]
            yield Conflict((*keys, "holidays"), found, "a rule that decides at some time, or none")

    def _rule(self, rule: RuleConfig) -> Rule:
        people, locks = self._people(), self._locks()
        return Rule(
            rule.rule,
            None if EVERYONE in rule.who else _all_of(rule.who, people),
            None if EVERYWHERE in rule.locks else _all_of(rule.locks, locks),
            rule.allow,
            self._when(rule),
            rule.uses or 0,
            limits_of(rule),
        )

    def _when(self, rule: RuleConfig) -> When:
        calendar, begins, ends = self._calendar(), rule.valid_from, rule.valid_until
        return When(
            rule.days,
            rule.hours or WHOLE_DAY,
            rule.holidays,
            None if begins is None else calendar.instant(begins.day, begins.minute),
            None if ends is None else calendar.instant(ends.day, ends.minute),
        )

    def _calendar(self) -> Calendar:
        single = (day for day in self.holidays if day.year is not None)
        return Calendar(
            self.time_zone or UTC,
            frozenset(date(day.year or 0, day.month, day.day) for day in single),
            frozenset((day.month, day.day) for day in self.holidays if day.year is None),
        )


def _all_of(names: Iterable[str], members: Mapping[str, Iterable[T]]) -> frozenset[T]:
    return frozenset(member for name in names for member in members[name])


def _unknown(
    key: str, names: Iterable[str], known: Iterable[str], *lists: str
) -> Iterator[Conflict]:
    """A Conflict at `key` for each name that none of `lists` has."""
    listed = list(known)
    where = " or ".join(f"access.{name}" for name in lists)
    for name in names:
        if name not in listed:
            keys = (key, *(f"{of}.{name}" for of in lists))
            hint = near_miss(name, listed)
            yield Conflict(keys, f"found {quoted(name)}", f"a name that {where} lists", hint)
