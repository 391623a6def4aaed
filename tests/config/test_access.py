"""`access:` in issuer.yaml: what it becomes, and what is wrong with it, all at once."""

from __future__ import annotations

from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from blelockd.config import ConfigError, ConfigErrors, IssuerConfig
from blelockd.config.access import MOST_RULES
from blelockd.protocol.ids import LockId
from blelockd.services.issuer.access import Limits, Rule
from blelockd.services.issuer.schedule import Calendar, Holidays, When, Window

FRONT, BACK, SHED = LockId("front"), LockId("back"), LockId("shed")
HOUSE: Final = """\
access:
  time_zone: Europe/Berlin
  holidays: [12-25, 2026-04-03]
  people: {Ada: {rssi_min_dbm: -75}, "Dr. No": {}, Zoë: {}}
  groups:
    family: {people: [Ada, Zoë]}
  locks: {front: {path_loss_max_db: 20}, back: {}, shed: {}}
  lock_groups:
    outer: {locks: [front, back]}
  rules:
"""


def house(rules: str) -> str:
    """A house with these rules, each on a line of its own from line 11 on."""
    return HOUSE + "".join(f"    {line}\n" for line in rules.splitlines())


def rule(text: str) -> Rule:
    config = IssuerConfig.from_yaml(house(f"it: {text}"), "issuer.yaml")
    (one,) = config.access.policy().rules
    return one


def errors(text: str) -> list[ConfigError]:
    with pytest.raises(ConfigErrors) as caught:
        IssuerConfig.from_yaml(text, "issuer.yaml")
    return list(caught.value.errors)


def the_error(rules: str) -> ConfigError:
    (error,) = errors(house(rules))
    return error


def test_without_access_no_rule_says_anything() -> None:
    policy = IssuerConfig.from_yaml("", "issuer.yaml").access.policy()
    assert policy.rules == ()
    assert policy.calendar == Calendar()


def test_names_stand_for_people_and_locks() -> None:
    assert rule("{who: [family, Dr. No], locks: [outer, shed]}") == Rule(
        "it", frozenset({"Ada", "Zoë", "Dr. No"}), frozenset({FRONT, BACK, SHED})
    )
    assert rule("{who: [everyone, Ada], locks: [everywhere]}") == Rule("it")


def test_a_name_is_the_same_however_its_accent_is_written() -> None:
    assert rule("{who: [Zoe\u0308], locks: [front]}").people == frozenset({"Zoë"})


def test_everything_that_a_rule_can_say() -> None:
    said = rule(
        "{who: [Ada], locks: [front], allow: false, days: [mon-wed, sat], "
        "hours: [08:00-12:30, 22:00-06:00, 13:00-24:00], holidays: except, valid_from: 2026-11-01, "
        "valid_until: 2026-11-30 18:00, uses: 10, lifetime_seconds: 60, rssi_min_dbm: -60, "
        "path_loss_max_db: 12}"
    )
    zone = Calendar(ZoneInfo("Europe/Berlin"))
    assert said == Rule(
        "it",
        frozenset({"Ada"}),
        frozenset({FRONT}),
        False,
        When(
            frozenset({0, 1, 2, 5}),
            (Window(480, 750), Window(1320, 360), Window(780, 1440)),
            Holidays.EXCEPT,
            zone.instant(date(2026, 11, 1), 0),
            zone.instant(date(2026, 11, 30), 18 * 60),
        ),
        10,
        Limits(60, -60, 12),
    )


def test_the_last_day_counts_to_its_end() -> None:
    one_day = rule("{who: [Ada], locks: [front], valid_from: 2026-10-25, valid_until: 2026-10-25}")
    assert one_day.when.begins is not None
    assert one_day.when.ends is not None
    assert one_day.when.ends - one_day.when.begins == 25 * 3600 * 1000  # the clock went back


@pytest.mark.parametrize(
    ("days", "meant"),
    [("[sat-mon]", {5, 6, 0}), ("[mon-sun]", set(range(7))), ("[fri]", {4}), ("[sun-sun]", {6})],
)
def test_days_go_round_the_week(days: str, meant: set[int]) -> None:
    assert rule(f"{{who: [Ada], locks: [front], days: {days}}}").when.days == meant


def test_holidays_and_limits_of_people_and_locks_are_the_policys() -> None:
    policy = IssuerConfig.from_yaml(house(""), "issuer.yaml").access.policy()
    assert policy.calendar == Calendar(
        ZoneInfo("Europe/Berlin"), frozenset({date(2026, 4, 3)}), frozenset({(12, 25)})
    )
    assert policy.people == {"Ada": Limits(None, -75), "Dr. No": Limits(), "Zoë": Limits()}
    assert policy.locks == {FRONT: Limits(path_loss_max_db=20), BACK: Limits(), SHED: Limits()}


def test_intent_may_be_asked_of_a_person_at_a_lock_and_by_a_rule() -> None:
    text = """access:
  people: {Ada: {intent: required}, Bob: {intent: any}}
  locks: {front: {intent: required}}
  rules: {in: {who: [Bob], locks: [front], intent: required}}
"""
    policy = IssuerConfig.from_yaml(text, "issuer.yaml").access.policy()
    asks = Limits(intent_required=True)
    assert policy.people == {"Ada": asks, "Bob": Limits()}
    assert (policy.locks, policy.rules[0].limits) == ({FRONT: asks}, asks)
    (error,) = errors(text.replace("Bob: {intent: any}", "Bob: {intent: yes}"))
    assert error.expected == "one of any, required"


def test_a_challenge_may_be_asked_of_a_person_at_a_lock_and_by_a_rule() -> None:
    text = """access:
  people: {Ada: {challenge: true}, Bob: {}}
  locks: {front: {challenge: true}}
  rules: {in: {who: [Bob], locks: [front], challenge: true, intent: required}}
"""
    policy = IssuerConfig.from_yaml(text, "issuer.yaml").access.policy()
    asks = Limits(challenge_mode=True)
    assert policy.people == {"Ada": asks, "Bob": Limits()}
    assert policy.locks == {FRONT: asks}
    assert policy.rules[0].limits == asks.with_(Limits(intent_required=True))


def test_rules_stay_in_the_order_of_the_file() -> None:
    text = house("zz: {who: [Ada], locks: [front]}\naa: {who: [everyone], locks: [everywhere]}")
    policy = IssuerConfig.from_yaml(text, "issuer.yaml").access.policy()
    assert [rule.name for rule in policy.rules] == ["zz", "aa"]


# --- mistakes ----------------------------------------------------------------------------------


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = """\
access:
  time_zone: Europe/Berlim
  holidays: [12-25, 02-30]
  people:
    Ada: {rssi_min_dbm: 75}
  groups:
    family: {people: [Ada, Bob]}
    Ada: {}
  locks: {front: {}, everywhere: {}}
  lock_groups: {outer: {locks: [frnt]}}
  rules:
    one: {who: [famly], locks: [outer], days: [mon-fry]}
    two: {locks: [everywhere], hours: [25:00-26:00]}
    three: {who: [Ada], locks: [outre], valid_from: 2026-02-02, valid_until: 2026-02-01}
"""
    assert [(error.line, error.key) for error in errors(text)] == [
        (2, "access.time_zone"),
        (3, "access.holidays[1]"),
        (5, "access.people.Ada.rssi_min_dbm"),
        (7, "access.groups.family.people"),
        (8, "access.groups.Ada"),
        (9, "access.locks"),
        (10, "access.lock_groups.outer.locks"),
        (12, "access.rules.one.days"),
        (12, "access.rules.one.who"),
        (13, "access.rules.two.hours[0]"),
        (13, "access.rules.two.who"),
        (14, "access.rules.three.locks"),
        (14, "access.rules.three.valid_until"),
    ]


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("{who: [Dr. Mo], locks: [front]}", "who", "did you mean Dr. No?"),
        ("{who: [family], locks: [inner]}", "locks", "access.locks or access.lock_groups lists"),
        ("{locks: [front]}", "who", "nobody"),
        ("{who: [Ada], locks: []}", "locks", "no lock"),
        ("{who: Ada, locks: [front]}", "who", "write it as a list: [Ada]"),
        ("{who: [Ada], locks: [front], days: mon}", "days", "write it as a list: [mon]"),
        ("{who: [Ada], locks: [front], days: []}", "days", "found a list"),
        ("{who: [Ada], locks: [front], days: [mon-wed, tue]}", "days", "a day twice"),
        ("{who: [Ada], locks: [front], days: [[mon]]}", "days", "a list or section"),
        ("{who: [Ada], locks: [front], hours: [8-12]}", "hours[0]", 'found "8-12"'),
        ("{who: [Ada], locks: [front], hours: [08:00-08:00]}", "hours[0]", "00:00-24:00"),
        ("{who: [Ada], locks: [front], hours: [24:00-06:00]}", "hours[0]", "such as 08:00-12:30"),
        ("{who: [Ada], locks: [front], hours: [08:00]}", "hours[0]", "such as 08:00-12:30"),
        ("{who: [Ada], locks: [front], valid_from: 2026-13-01}", "valid_from", "a date such as"),
        ("{who: [Ada], locks: [front], valid_until: 1999-01-01}", "valid_until", "a date such as"),
        ("{who: [Ada], locks: [front], holidays: sometimes}", "holidays", "any, except, only"),
        ("{who: [Ada], locks: [front], uses: 0}", "uses", "from 1 to 65535, or off"),
        ("{who: [Ada], locks: [front], day: [mon]}", "day", "did you mean days?"),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_what_was_meant(text: str, key: str, told: str) -> None:
    error = the_error(f"it: {text}")
    assert (error.line, error.key) == (11, f"access.rules.it.{key}")
    assert told in str(error)


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berlim", "did you mean Europe/Berlin?"),
        ("Europe", ""),
        ("../../etc/passwd", ""),
        ("/etc/localtime", ""),
        ("\u00e9", ""),
    ],
)
def test_a_time_zone_is_one_of_the_database(zone: str, hint: str) -> None:
    (error,) = errors(f"access: {{time_zone: '{zone}'}}")
    assert error.key == "access.time_zone"
    assert hint in error.hint


def test_times_need_a_time_zone_and_are_told_so_once() -> None:
    text = house(
        "a: {who: [Ada], locks: [front], days: [mon]}\nb: {who: [Ada], locks: [back], days: [mon]}"
    ).replace("  time_zone: Europe/Berlin\n", "")
    (error,) = errors(text)
    assert error.key == "access.time_zone"
    assert "rule a has days, hours or dates" in error.found


def test_words_that_stand_for_all_are_no_names() -> None:
    text = "access: {people: {everyone: {}}, groups: {everyone: {}}, lock_groups: {everywhere: {}}}"
    assert [error.key for error in errors(text)] == [
        "access.groups.everyone",
        "access.lock_groups.everywhere",
        "access.people",
    ]


def test_a_rule_that_can_never_decide_is_told_with_those_that_do() -> None:
    error = the_error(
        "home: {who: [family], locks: [outer]}\n"
        "work: {who: [Ada], locks: [front], days: [mon-fri]}\n"
        "garden: {who: [Ada], locks: [shed]}"
    )
    assert (error.line, error.key) == (12, "access.rules.work")
    assert error.found == "never decides: whenever it could, one before it does (home)"


def test_a_rule_whose_days_never_come_is_told() -> None:
    error = the_error(
        "x: {who: [Ada], locks: [front], days: [sun], "
        "valid_from: 2026-11-23, valid_until: 2026-11-27}"
    )
    assert error.found == "never decides: its days, hours, dates and holidays are never at once"


def test_a_mistake_in_one_rule_does_not_make_another_look_dead() -> None:
    error = the_error(
        "a: {who: [Ada], locks: [front], days: [mno]}\nb: {who: [Ada], locks: [front]}"
    )
    assert error.key == "access.rules.a.days"


def test_a_mistake_in_a_name_does_not_make_it_unknown_elsewhere() -> None:
    text = house("it: {who: [Ada], locks: [front]}").replace("{rssi_min_dbm: -75}", "5")
    assert [error.key for error in errors(text)] == ["access.people.Ada"]


def test_there_is_a_bound_to_rules() -> None:
    people = ", ".join(f"p{number}: {{}}" for number in range(MOST_RULES + 1))
    rules = "\n".join(
        f"    r{number}: {{who: [p{number}], locks: [everywhere]}}"
        for number in range(MOST_RULES + 1)
    )
    (error,) = errors(f"access:\n  people: {{{people}}}\n  rules:\n{rules}\n")
    assert error.found == f"{MOST_RULES + 1} rules"
