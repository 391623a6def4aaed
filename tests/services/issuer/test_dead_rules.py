"""A rule that can never decide is found, and no other is taken for one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.services.issuer.access import NO_LIMITS, Policy, Rule
from blelockd.services.issuer.dead_rules import dead_rules
from blelockd.services.issuer.schedule import Calendar, Holidays, When, Window
from tests.services.issuer.test_schedule import BERLIN, HERE, MORNING, NIGHT, utc, wall

FRONT, BACK = LockId("front"), LockId("back")
ADA, BOB = frozenset({"Ada"}), frozenset({"Bob"})
OPEN: Final = Rule("open")
WORKDAYS: Final = When(frozenset(range(5)))
WEEKEND: Final = When(frozenset({5, 6}))


def dead(*rules: Rule, calendar: Calendar = HERE) -> dict[str, tuple[str, ...]]:
    everybody = dict.fromkeys(("Ada", "Bob"), NO_LIMITS)
    found = dead_rules(Policy(rules, calendar, everybody, dict.fromkeys((FRONT, BACK), NO_LIMITS)))
    return {dead.rule.name: dead.because_of for dead in found}


def test_what_stands_behind_a_rule_for_all_never_decides() -> None:
    assert dead(OPEN, Rule("ada", ADA)) == {"ada": ("open",)}
    assert dead(Rule("ada", ADA), OPEN) == {}


def test_a_rule_that_forbids_hides_others_too() -> None:
    assert dead(replace(OPEN, allow=False), Rule("ada", ADA)) == {"ada": ("open",)}


def test_rules_hide_another_together() -> None:
    people = Rule("ada", ADA), Rule("bob", BOB), Rule("both", ADA | BOB)
    assert dead(*people) == {"both": ("ada", "bob")}
    days = Rule("work", when=WORKDAYS), Rule("end", when=WEEKEND), Rule("any")
    assert dead(*days) == {"any": ("work", "end")}
    places = Rule("f", locks=frozenset({FRONT})), Rule("b", locks=frozenset({BACK}))
    assert dead(*places, Rule("fb", locks=frozenset({FRONT, BACK}))).keys() == {"fb"}


def test_everybody_is_more_than_those_who_are_listed() -> None:
    assert dead(Rule("ada", ADA), Rule("bob", BOB), Rule("everyone")) == {}
    places = Rule("f", locks=frozenset({FRONT})), Rule("b", locks=frozenset({BACK}))
    assert dead(*places, Rule("everywhere")) == {}


def test_a_minute_that_is_left_is_enough() -> None:
    most = Rule("most", when=When(windows=(Window(0, 1439),)))
    assert dead(most, Rule("rest")) == {}
    assert dead(most, Rule("last", when=When(windows=(Window(1439, 1440),)))) == {}
    assert dead(most, Rule("first", when=When(windows=(Window(0, 1439),)))).keys() == {"first"}
    assert dead(Rule("night", when=When(windows=(NIGHT,))), Rule("day")) == {}


@pytest.mark.parametrize(
    "when",
    [
        When(frozenset({6}), begins=wall("2026-11-23 00:00"), ends=wall("2026-11-29 00:00")),
        When(windows=(MORNING,), begins=wall("2026-11-24 12:00"), ends=wall("2026-11-25 08:00")),
        When(
            begins=wall("2026-12-25 00:00"), ends=wall("2026-12-26 00:00"), holidays=Holidays.EXCEPT
        ),
        When(
            begins=wall("2026-12-26 00:00"), ends=wall("2027-04-01 00:00"), holidays=Holidays.ONLY
        ),
        When(
            windows=(Window(120, 180),),
            begins=wall("2026-03-29 00:00"),
            ends=wall("2026-03-30 00:00"),
        ),
    ],
    ids=["no sunday", "no morning", "a holiday", "no holiday", "the hour that spring leaves out"],
)
def test_conditions_that_never_meet_are_told(when: When) -> None:
    assert dead(Rule("x", when=when)) == {"x": ()}


@pytest.mark.parametrize(
    "when",
    [
        When(frozenset({6}), begins=wall("2026-11-23 00:00"), ends=wall("2026-11-29 00:01")),
        When(frozenset({6}), holidays=Holidays.ONLY),
        When(frozenset({2}), holidays=Holidays.ONLY, begins=wall("2040-01-01 00:00")),
        When(frozenset({4}), holidays=Holidays.ONLY, ends=wall("2026-04-30 00:00")),
        When(windows=(NIGHT,), holidays=Holidays.ONLY, begins=wall("2026-12-26 05:59")),
    ],
)
def test_conditions_that_meet_once_are_enough(when: When) -> None:
    assert dead(Rule("x", when=when)) == {}


def test_without_holidays_a_rule_for_them_never_decides() -> None:
    assert dead(Rule("x", when=When(holidays=Holidays.ONLY)), calendar=Calendar(BERLIN)) == {
        "x": ()
    }
    assert dead(Rule("x", when=When(holidays=Holidays.EXCEPT)), calendar=Calendar(BERLIN)) == {}


def test_a_day_that_only_leap_years_have_is_looked_at() -> None:
    leap = Calendar(BERLIN, yearly=frozenset({(2, 29)}))
    assert dead(Rule("x", when=When(frozenset({3}), holidays=Holidays.ONLY)), calendar=leap) == {}


def test_a_policy_too_dense_to_see_through_gets_the_benefit_of_the_doubt() -> None:
    each_year = frozenset((month, day) for month in range(1, 13) for day in range(1, 29))
    calendar = Calendar(BERLIN, yearly=each_year)
    windows = tuple(Window(minute, minute + 1) for minute in range(0, 100, 2))
    rules = [Rule("a", when=When(windows=windows)), Rule("b", when=When(windows=windows))]
    busy = [replace(rule, when=replace(rule.when, holidays=Holidays.EXCEPT)) for rule in rules]
    assert dead(*busy, calendar=calendar) == {}


QUARTERS: Final = st.integers(0, 95).map(lambda quarter: quarter * 15)
WINDOWS: Final = st.builds(Window, QUARTERS, QUARTERS).filter(lambda w: w.begin != w.end)
BOUNDS: Final = st.integers(0, 14 * 96).map(
    lambda quarters: Instant(utc("2026-03-20 00:00") + quarters * 900_000)
)
WHENS: Final = st.builds(
    When,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.lists(WINDOWS, min_size=1, max_size=2).map(tuple),
    st.sampled_from(Holidays),
    st.none() | BOUNDS,
    st.none() | BOUNDS,
)
HOLIDAY: Final = Calendar(BERLIN, frozenset({date(2026, 3, 25)}))


@settings(max_examples=60, deadline=None)
@given(st.lists(WHENS, min_size=1, max_size=3))
def test_a_rule_that_decides_at_some_time_is_never_called_dead(whens: list[When]) -> None:
    rules = [Rule(f"r{number}", when=when) for number, when in enumerate(whens)]
    called = dead(*rules, calendar=HOLIDAY)
    decided = set()
    for quarter in range(28 * 96):
        moment = HOLIDAY.moment(Instant(utc("2026-03-13 00:00") + quarter * 900_000))
        first = (rule.name for rule in rules if rule.when.holds(moment, HOLIDAY))
        decided.add(next(first, ""))
    assert not decided & called.keys()
