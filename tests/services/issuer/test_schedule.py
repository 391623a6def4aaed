"""Hours, days and holidays are read from the clock on the wall, also when that clock is changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.instants import Instant
from blelockd.services.issuer.schedule import (
    EVERY_DAY,
    MINUTES_A_DAY,
    Calendar,
    Holidays,
    When,
    Window,
)

BERLIN: Final = ZoneInfo("Europe/Berlin")
HERE: Final = Calendar(BERLIN, frozenset({date(2026, 4, 3)}), frozenset({(12, 25)}))
ZONES: Final = [UTC, *map(ZoneInfo, ["Europe/Berlin", "America/St_Johns", "Pacific/Chatham"])]
NIGHT: Final = Window(22 * 60, 6 * 60)
MORNING: Final = Window(8 * 60, 12 * 60)


def utc(text: str) -> Instant:
    """The instant of `2026-03-29 01:00` in Greenwich."""
    return Instant(int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * 1000)


def wall(text: str) -> Instant:
    """When the clock in Berlin shows that, for the first time."""
    shown = datetime.fromisoformat(text).replace(tzinfo=BERLIN)
    return Instant(int(shown.timestamp()) * 1000)


def holds(when: When, at: Instant) -> bool:
    return when.holds(HERE.moment(at), HERE)


@pytest.mark.parametrize(
    ("clock", "good"), [("07:59", False), ("08:00", True), ("11:59", True), ("12:00", False)]
)
def test_hours_begin_with_their_first_minute_and_end_before_their_last(
    clock: str, good: bool
) -> None:
    assert holds(When(windows=(MORNING,)), wall(f"2026-11-24 {clock}")) is good


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        ("2026-11-27 21:59", False),  # a Friday
        ("2026-11-27 22:00", True),
        ("2026-11-28 05:59", True),
        ("2026-11-28 06:00", False),
        ("2026-11-28 22:00", False),
        ("2026-11-27 03:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, good: bool) -> None:
    assert holds(When(frozenset({4}), (NIGHT,)), wall(moment)) is good


def test_a_night_may_end_at_midnight() -> None:
    late = When(frozenset({4}), (Window(22 * 60, 0),))
    assert holds(late, wall("2026-11-27 23:59"))
    assert not holds(late, wall("2026-11-28 00:00"))
    round_the_clock = When(frozenset({4}), (Window(60, 60),))
    assert not holds(round_the_clock, wall("2026-11-27 00:59"))
    assert holds(round_the_clock, wall("2026-11-27 01:00"))
    assert holds(round_the_clock, wall("2026-11-28 00:59"))


@pytest.mark.parametrize(
    ("day", "holiday"),
    [("2026-04-03", True), ("2027-04-03", False), ("2026-12-25", True), ("2031-12-25", True)],
)
def test_a_holiday_is_of_one_year_or_of_each(day: str, holiday: bool) -> None:
    assert HERE.is_holiday(date.fromisoformat(day)) is holiday
    noon = wall(f"{day} 12:00")
    assert holds(When(holidays=Holidays.ONLY), noon) is holiday
    assert holds(When(holidays=Holidays.EXCEPT), noon) is not holiday
    assert holds(When(holidays=Holidays.ANY), noon)


def test_the_night_before_a_holiday_is_no_holidays() -> None:
    before = When(windows=(NIGHT,), holidays=Holidays.EXCEPT)
    assert holds(before, wall("2026-12-25 05:00"))
    assert not holds(before, wall("2026-12-26 05:00"))


def test_a_rule_begins_and_ends_at_an_instant() -> None:
    begins, ends = wall("2026-11-24 08:00"), wall("2026-11-24 18:00")
    day = When(begins=begins, ends=ends)
    assert [holds(day, Instant(at)) for at in (begins - 1, begins, ends - 1, ends)] == [
        False, True, True, False
    ]  # fmt: skip


# --- the clock is changed ----------------------------------------------------------------------


def test_an_hour_that_spring_leaves_out_never_comes() -> None:
    """On 2026-03-29 Berlin's clocks go from 02:00 to 03:00, at 01:00 UTC."""
    lost = When(windows=(Window(2 * 60, 3 * 60),))
    assert not holds(lost, Instant(utc("2026-03-29 01:00") - 1))
    assert not holds(lost, utc("2026-03-29 01:00"))
    reaching_over = When(windows=(Window(90, 3 * 60 + 30),))
    assert holds(reaching_over, utc("2026-03-29 00:30"))
    assert holds(reaching_over, utc("2026-03-29 01:29"))
    assert not holds(reaching_over, utc("2026-03-29 01:30"))


def test_an_hour_that_autumn_has_twice_counts_both_times() -> None:
    """On 2026-10-25 Berlin's clocks go from 03:00 to 02:00, at 01:00 UTC."""
    half = When(windows=(Window(150, 180),))
    for first, last in (("00:30", "00:59"), ("01:30", "01:59")):
        assert holds(half, utc(f"2026-10-25 {first}"))
        assert holds(half, utc(f"2026-10-25 {last}"))
    assert not holds(half, utc("2026-10-25 01:00"))
    assert not holds(half, utc("2026-10-25 02:00"))


def test_what_ended_in_the_doubled_hour_does_not_begin_again() -> None:
    until = When(ends=HERE.instant(date(2026, 10, 25), 150))
    assert holds(until, utc("2026-10-25 00:29"))
    assert not holds(until, utc("2026-10-25 00:30"))
    assert not holds(until, utc("2026-10-25 01:00"))  # 02:00 once more


def test_a_night_has_an_hour_less_or_more_when_the_clock_is_changed() -> None:
    night = When(windows=(NIGHT,))

    def minutes(day: str) -> int:
        noon = utc(f"{day} 12:00")
        return sum(holds(night, Instant(noon + 60_000 * m)) for m in range(MINUTES_A_DAY))

    assert [minutes(day) for day in ("2026-03-28", "2026-10-24", "2026-11-24")] == [420, 540, 480]


# --- anything ----------------------------------------------------------------------------------

CLOCKS: Final = st.integers(0, MINUTES_A_DAY - 1)
WINDOWS: Final = st.builds(Window, CLOCKS, st.integers(0, MINUTES_A_DAY)).filter(
    lambda window: window.begin != window.end
)
DAYS: Final = st.frozensets(st.sampled_from(sorted(EVERY_DAY)), min_size=1)
# Around changes of the clock somewhere, and in summer and winter.
CHANGES: Final = ["2026-03-08 06:30", "2026-03-29 01:00", "2026-09-26 14:00", "2026-11-01 04:30"]
INSTANTS: Final = st.builds(
    lambda change, minutes: Instant(utc(change) + 60_000 * minutes),
    st.sampled_from([*CHANGES, "2026-07-01 00:00", "2026-12-25 00:00"]),
    st.integers(-3000, 3000),
)


@given(st.sampled_from(ZONES), DAYS, WINDOWS, st.sampled_from(Holidays), INSTANTS)
def test_what_the_wall_shows_is_what_counts(
    zone: ZoneInfo, days: frozenset[int], window: Window, holidays: Holidays, at: Instant
) -> None:
    calendar = Calendar(zone, HERE.holidays, HERE.yearly)
    shown = datetime.fromtimestamp(at / 1000, zone).replace(tzinfo=None)
    expected = False
    for back in (0, 1):
        midnight = datetime.combine(shown.date(), datetime.min.time()) - timedelta(days=back)
        begin = midnight + timedelta(minutes=window.begin)
        end = midnight + timedelta(minutes=window.end, days=window.end <= window.begin)
        free = (midnight.month, midnight.day) in ((12, 25),) or midnight.date() in HERE.holidays
        wanted = {Holidays.ANY: True, Holidays.EXCEPT: not free, Holidays.ONLY: free}[holidays]
        expected |= begin <= shown < end and midnight.weekday() in days and wanted
    when = When(days, (window,), holidays)
    assert when.holds(calendar.moment(at), calendar) is expected


@given(st.sampled_from(ZONES), st.dates(date(2026, 1, 1), date(2027, 12, 31)), CLOCKS)
def test_a_time_on_the_wall_is_its_first_instant(zone: ZoneInfo, day: date, minute: int) -> None:
    calendar = Calendar(zone)
    at = calendar.instant(day, minute)
    shown = calendar.moment(at)
    if (shown.day, shown.minute) == (day, minute):
        hour_ago = calendar.moment(Instant(at - 3_600_000))
        assert (hour_ago.day, hour_ago.minute) != (day, minute)
    else:  # left out in spring
        assert (shown.day, shown.minute) > (day, minute)
