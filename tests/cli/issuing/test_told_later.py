"""What a lock tells later than it happened: `audit` and `why` show the door's time, and say so."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from blelockd.cli.issuing.audit_words import details
from blelockd.protocol.instants import THE_EPOCH, Instant
from blelockd.protocol.verdict import RSSI_UNAVAILABLE_DBM
from blelockd.services.issuer.audit import AuditEvent, AuditKind
from tests.adapters.store.household import said
from tests.cli.home import FRONT, Home
from tests.fakes.clock import NOON
from tests.fakes.enrolled import fresh


@pytest.fixture
def told_later(home: Home) -> Home:
    """The lock tells at 08:00:25 that it opened at 08:00:00; at 10:00 of one without a time."""
    eight = Instant(1_800_000_000_000)
    with home.store() as store:
        for counter, happened, heard in (
            (1, eight, eight + 25_000),
            (2, THE_EPOCH, eight + 7_200_000),
        ):
            event = replace(said(counter), time=happened)
            store.doors.take(FRONT, event, fresh(16), Instant(heard))
    return home


def test_the_time_shown_is_the_doors_and_what_was_told_later_says_so(told_later: Home) -> None:
    late, unknown = told_later.run("audit", "--last", "2")[1].splitlines()[1:]
    assert late.split()[:3] == ["2", "2027-01-15", "08:00:00"]
    assert late.endswith("-58 dBm, told 25 s later")
    assert unknown.split()[:3] == ["3", "2027-01-15", "10:00:00"]
    assert "told" not in unknown
    why = told_later.run("why", "2")[1]
    assert "2  2027-01-15 08:00:00 UTC" in why
    assert "(-58 dBm, told 25 s later)" in why


def test_programs_are_told_both_times(told_later: Home) -> None:
    told = [json.loads(line) for line in told_later.run("audit", "--json")[1].splitlines()]
    times = [(of["time_ms"], of["heard_ms"], of["door_time_ms"]) for of in told[-2:]]
    eight = 1_800_000_000_000
    assert times == [(eight, eight + 25_000, eight), (eight + 7_200_000, eight + 7_200_000, 0)]
    assert told[-2]["time"] == "2027-01-15 08:00:00 UTC"
    rows = csv.DictReader(io.StringIO(told_later.run("audit", "--csv")[1]))
    assert [(int(row["time_ms"]), int(row["heard_ms"])) for row in rows][-2:] == [
        time[:2] for time in times
    ]


def test_from_and_to_are_of_the_time_that_is_shown(told_later: Home) -> None:
    eight, half_past_nine = Instant(1_800_000_000_000), Instant(1_800_005_400_000)
    with told_later.store() as store:
        store.doors.take(FRONT, replace(said(3), time=eight), fresh(16), half_past_nine)

    def found(since: str, until: str) -> list[int]:
        told = told_later.run("audit", "--json", "--from", since, "--to", until)[1]
        return [json.loads(line)["id"] for line in told.splitlines()]

    assert found("2027-01-15 08:00", "2027-01-15 08:01") == [2, 4]
    assert found("2027-01-15 09:00", "2027-01-15 11:00") == [3]


@pytest.mark.parametrize(
    ("late_ms", "told"),
    [
        (5_000, ""),
        (-5_000, ""),
        (5_001, "told 5 s later"),
        (119_000, "told 119 s later"),
        (121_000, "told 2 min later"),
        (7_200_000, "told 2 h later"),
        (200_000_000, "told 2 days later"),
        (-30_000, "by a clock that is 30 s ahead"),
    ],
)
def test_how_much_later_is_told_in_words(late_ms: int, told: str) -> None:
    event = AuditEvent(
        event_id=1,
        time=Instant(NOON + late_ms),
        kind=AuditKind.DOOR,
        door=replace(said(1), rssi_dbm=RSSI_UNAVAILABLE_DBM),
    )
    assert details(event) == told
