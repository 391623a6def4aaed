"""The first rule that matches decides, then the guest's own grant, and else the answer is no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.answer import RefusalCode
from blelockd.services.issuer.access import (
    BY_GRANT,
    Allowed,
    Ask,
    Denied,
    Grant,
    Limits,
    Policy,
    Rule,
    decide,
    person_name,
)
from blelockd.services.issuer.schedule import Calendar, When, Window
from tests.services.issuer.test_schedule import (
    BERLIN,
    DAYS,
    HERE,
    INSTANTS,
    MORNING,
    NIGHT,
    WINDOWS,
    utc,
    wall,
)

FRONT, BACK = LockId("front"), LockId("back")
FAMILY: Final = Rule("family", frozenset({"Ada"}))
CLEANING: Final = Rule(
    "cleaning", frozenset({"Bob"}), frozenset({FRONT}), when=When(windows=(MORNING,))
)
CLOSED: Final = Rule("closed", allow=False, when=When(windows=(Window(0, 360),)))
TEN: Final = wall("2026-11-24 10:00")
MINUTE: Final = 60_000


def asked(person: str = "Ada", lock: LockId = FRONT, at: Instant = TEN, **more: Any) -> Ask:
    return Ask(person, lock, at, 300, **more)


def policy(*rules: Rule, **more: Any) -> Policy:
    return Policy(rules, HERE, **more)


def allowed(decision: Allowed | Denied) -> Allowed:
    assert isinstance(decision, Allowed), decision
    return decision


def denied(decision: Allowed | Denied) -> Denied:
    assert isinstance(decision, Denied), decision
    return decision


def test_without_a_rule_nobody_gets_in() -> None:
    assert denied(decide(Policy(), asked())) == Denied(None, RefusalCode.NOT_ALLOWED, 3600)


def test_a_rule_lets_in_whom_it_names_for_as_long_as_a_session_lives() -> None:
    assert decide(policy(FAMILY), asked()) == Allowed("family", Instant(TEN + 300_000), 0, Limits())
    assert denied(decide(policy(FAMILY), asked("Bob"))).code is RefusalCode.NOT_ALLOWED
    assert denied(decide(policy(FAMILY), asked("ada"))).code is RefusalCode.NOT_ALLOWED


def test_a_rule_is_about_its_locks_alone() -> None:
    assert decide(policy(CLEANING), asked("Bob"))
    refused = denied(decide(policy(CLEANING), asked("Bob", BACK)))
    assert (refused.rule, refused.code) == (None, RefusalCode.NOT_ALLOWED)


def test_a_rule_for_everyone_everywhere_is_for_everyone_everywhere() -> None:
    assert allowed(decide(policy(Rule("open")), asked("anybody", LockId("anywhere"))))


def test_the_first_rule_that_matches_decides() -> None:
    night = wall("2026-11-24 05:00")
    assert denied(decide(policy(CLOSED, FAMILY), asked(at=night))).rule == "closed"
    assert allowed(decide(policy(FAMILY, CLOSED), asked(at=night))).rule == "family"
    assert allowed(decide(policy(CLOSED, FAMILY), asked())).rule == "family"


def test_a_session_ends_when_the_hours_do() -> None:
    almost = wall("2026-11-24 11:58")
    decision = allowed(decide(policy(CLEANING), asked("Bob", at=almost)))
    assert decision.not_after == wall("2026-11-24 12:00")


def test_a_session_ends_when_another_rule_takes_over() -> None:
    almost = Instant(wall("2026-11-23 23:58") + 1)
    decision = allowed(decide(policy(CLOSED, FAMILY), asked(at=almost)))
    assert decision.not_after == wall("2026-11-24 00:00")


def test_a_session_goes_on_past_midnight_where_the_rule_does() -> None:
    late = wall("2026-11-24 23:58")
    assert allowed(decide(policy(FAMILY), asked(at=late))).not_after == late + 300_000
    nights = replace(FAMILY, when=When(windows=(NIGHT,)))
    assert allowed(decide(policy(nights), asked(at=late))).not_after == late + 300_000


def test_the_doubled_hour_of_autumn_ends_a_session_when_the_clock_goes_back() -> None:
    """02:58 in summer time; two minutes later it is 02:00 again, and before the hours."""
    late = replace(FAMILY, when=When(windows=(Window(150, 180),)))
    decision = allowed(decide(policy(late), asked(at=utc("2026-10-25 00:58"))))
    assert decision.not_after == utc("2026-10-25 01:00")


def test_who_comes_too_early_is_told_when_to_come_again() -> None:
    refused = denied(decide(policy(CLEANING), asked("Bob", at=wall("2026-11-24 07:15"))))
    assert (refused.rule, refused.code) == (None, RefusalCode.OUTSIDE_SCHEDULE)
    assert refused.retry_seconds == 45 * 60
    refused = denied(decide(policy(CLEANING), asked("Bob", at=wall("2026-11-24 06:15"))))
    assert refused.retry_seconds == 3600


def test_a_rule_that_always_forbids_forbids_at_every_time() -> None:
    never = Rule("lost", frozenset({"Bob"}), allow=False)
    refused = denied(decide(policy(never, CLEANING), asked("Bob")))
    assert (refused.rule, refused.code) == ("lost", RefusalCode.NOT_ALLOWED)


@pytest.mark.parametrize("where", ["person", "lock", "rule"])
def test_intent_is_asked_where_person_lock_or_rule_asks_for_it(where: str) -> None:
    asks = Limits(intent_required=True)
    rule = replace(FAMILY, limits=asks if where == "rule" else Limits())
    house = replace(
        policy(rule),
        people={"Ada": asks if where == "person" else Limits()},
        locks={FRONT: asks if where == "lock" else Limits()},
    )
    assert allowed(decide(house, asked())).limits.intent_required
    assert not allowed(decide(policy(FAMILY), asked())).limits.intent_required


def test_a_lock_that_asks_for_intent_asks_it_of_who_has_a_grant_too() -> None:
    house = replace(policy(), locks={FRONT: Limits(intent_required=True)})
    assert allowed(decide(house, asked(grant=Grant(None)))).limits.intent_required


# --- the guest's own grant ---------------------------------------------------------------------


def test_where_no_rule_says_anything_the_guests_own_grant_does() -> None:
    grant = Grant(frozenset({FRONT}), lifetime_seconds=60)
    decision = allowed(decide(policy(CLEANING), asked(grant=grant)))
    assert (decision.rule, decision.not_after) == (BY_GRANT, TEN + 60_000)
    assert denied(decide(policy(), asked(lock=BACK, grant=grant))).code is RefusalCode.NOT_ALLOWED
    assert allowed(decide(policy(), asked(lock=BACK, grant=Grant(None)))).rule == BY_GRANT


def test_a_rule_that_forbids_goes_before_the_grant() -> None:
    night = wall("2026-11-24 05:00")
    refused = denied(decide(policy(CLOSED), asked(at=night, grant=Grant(None))))
    assert (refused.rule, refused.code) == ("closed", RefusalCode.OUTSIDE_SCHEDULE)
    assert refused.retry_seconds == 3600
    almost = wall("2026-11-24 05:59")
    assert denied(decide(policy(CLOSED), asked(at=almost, grant=Grant(None)))).retry_seconds == 60


def test_a_grant_has_its_own_beginning_and_end() -> None:
    begins, ends = Instant(TEN - 1), Instant(TEN + 1500)
    grant = Grant(None, begins, ends)
    assert allowed(decide(policy(), asked(grant=grant))).not_after == ends
    for at in (begins, ends - 1):
        assert allowed(decide(policy(), asked(at=Instant(at), grant=grant))).rule == BY_GRANT
    for at in (begins - 1, ends):
        refused = denied(decide(policy(), asked(at=Instant(at), grant=grant)))
        assert refused.code is RefusalCode.OUTSIDE_SCHEDULE


# --- limits ------------------------------------------------------------------------------------


def test_uses_are_counted_by_rule_and_by_grant() -> None:
    three = replace(FAMILY, uses=3)
    assert allowed(decide(policy(three), asked(uses={"family": 2, "x": 9}))).uses_left == 1
    spent = denied(decide(policy(three), asked(uses={"family": 3})))
    assert (spent.rule, spent.code) == ("family", RefusalCode.USES_SPENT)
    grant = Grant(None, uses=1)
    assert allowed(decide(policy(), asked(grant=grant, uses={"family": 3}))).uses_left == 1
    assert denied(decide(policy(), asked(grant=grant, uses={BY_GRANT: 1}))).rule == BY_GRANT


def test_who_has_spent_a_rule_does_not_fall_through_to_the_next() -> None:
    rules = policy(replace(FAMILY, uses=1), Rule("open"))
    assert denied(decide(rules, asked(uses={"family": 1}))).rule == "family"


def test_the_strictest_limit_of_person_lock_and_rule_counts() -> None:
    limited = policy(
        replace(FAMILY, limits=Limits(120, -70, 30)),
        people={"Ada": Limits(60, -80, None)},
        locks={FRONT: Limits(200, None, 20), BACK: Limits(None, -50, 40)},
    )
    front = allowed(decide(limited, asked()))
    assert front.limits == Limits(60, -70, 20)
    assert front.not_after == TEN + 60_000
    assert allowed(decide(limited, asked(lock=BACK))).limits == Limits(60, -50, 30)


def test_a_limit_does_not_prolong_a_session() -> None:
    rules = policy(replace(FAMILY, limits=Limits(86_400)))
    assert allowed(decide(rules, asked())).not_after == TEN + 300_000


@pytest.mark.parametrize("name", ["", " Ada", "Ada ", "A\tb", "A\x1b[31m", "x" * 65, "\u00e9" * 33])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        person_name(name)


def test_a_name_is_compared_in_one_form() -> None:
    assert person_name("Zoe\u0301") == person_name("Zo\u00e9") == "Zo\u00e9"


# --- anything ----------------------------------------------------------------------------------

RULES: Final = st.builds(
    Rule,
    st.sampled_from(["one", "two", "three"]),
    st.none() | st.just(frozenset({"Ada"})),
    st.none() | st.just(frozenset({FRONT})),
    st.booleans(),
    st.builds(
        When,
        DAYS,
        st.lists(WINDOWS, min_size=1, max_size=2).map(tuple),
        begins=st.none() | INSTANTS,
        ends=st.none() | INSTANTS,
    ),
)
POLICIES: Final = st.lists(RULES, max_size=4, unique_by=lambda rule: rule.name).map(
    lambda rules: Policy(tuple(rules), Calendar(BERLIN))
)
GRANTS: Final = st.none() | st.builds(
    Grant, st.none() | st.just(frozenset({FRONT})), st.none() | INSTANTS, st.none() | INSTANTS
)


@given(POLICIES, GRANTS, INSTANTS, st.integers(0, 59_999), st.integers(1, 7200))
def test_a_session_lives_while_the_same_says_yes_and_no_longer(
    rules: Policy, grant: Grant | None, minute: Instant, ms: int, seconds: int
) -> None:
    ask = Ask("Ada", FRONT, Instant(minute + ms), seconds, grant)
    decision = decide(rules, ask)
    if isinstance(decision, Denied):
        again = decide(rules, replace(ask, at=Instant(ask.at + 1000 * decision.retry_seconds)))
        assert isinstance(again, Allowed) or decision.retry_seconds == 3600
        return
    last = decision.not_after
    assert ask.at < last <= ask.at + 1000 * seconds
    for at in {ask.at, last - 1, *range(ask.at, last, 7 * MINUTE)}:
        assert allowed(decide(rules, replace(ask, at=Instant(at)))).rule == decision.rule
    if last < ask.at + 1000 * seconds:
        after = decide(rules, replace(ask, at=last))
        assert isinstance(after, Denied) or after.rule != decision.rule


@given(POLICIES, INSTANTS)
def test_whom_no_rule_allows_anything_nobody_lets_in(rules: Policy, at: Instant) -> None:
    only_no = replace(rules, rules=tuple(replace(rule, allow=False) for rule in rules.rules))
    assert denied(decide(only_no, asked(at=at))).code is RefusalCode.NOT_ALLOWED
