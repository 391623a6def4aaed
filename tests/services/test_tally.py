"""Junk is counted and summed up, at once when it begins and then once a minute at most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blelockd.services.events import EventKind, Severity
from blelockd.services.tally import Counted, Tally
from tests.fakes.clock import FakeClock, settle
from tests.fakes.journal import RememberingJournal
from tests.fakes.waiting import running


@asynccontextmanager
async def counting() -> AsyncIterator[tuple[Tally, RememberingJournal, FakeClock]]:
    """A tally that writes its summaries while the context lasts."""
    clock, journal = FakeClock(), RememberingJournal()
    tally = Tally(journal, clock, 60.0)
    async with running(tally.run()):
        await settle()
        yield tally, journal, clock


async def test_a_flood_of_junk_is_two_lines_a_minute_apart() -> None:
    async with counting() as (tally, journal, clock):
        tally.count(Counted.FOREIGN_ADVERT)
        await clock.pass_(0.1)
        for _ in range(590):
            tally.count(Counted.FOREIGN_ADVERT, 100)
            tally.count(Counted.MALFORMED_SESSION)
            await clock.pass_(0.1)
        assert [event.message for event in journal.events] == [
            "since the last summary: 1 foreign advert"
        ]
        await clock.pass_(5.0)
        assert journal.kinds() == [EventKind.SUMMARY] * 2
        summary = journal.events[1]
        assert summary.severity is Severity.INFO
        assert summary.fields == {"foreign_advert": 59_000, "malformed_session": 590}


async def test_what_every_phone_does_is_told_only_beside_something_else() -> None:
    async with counting() as (tally, journal, clock):
        tally.count(Counted.REPEATED_ADVERT, 1000)
        tally.count(Counted.STILL_PRESENT, 10)
        tally.count(Counted.DUPLICATE_SESSION)
        await clock.pass_(3600.0)
        assert journal.events == []
        tally.count(Counted.FOREIGN_ADVERT)
        await clock.pass_(1.0)
        assert journal.events[0].fields["repeated_advert"] == 1000
        tally.count(Counted.REPEATED_ADVERT, 1000)
        await clock.pass_(3600.0)
        assert len(journal.events) == 1


async def test_a_quiet_air_is_no_line() -> None:
    async with counting() as (tally, journal, clock):
        await clock.pass_(600.0)
        tally.sum_up()
        assert journal.events == []


def test_one_is_told_as_one_and_two_as_two() -> None:
    assert Counted.FOREIGN_ADVERT.times(1) == "1 foreign advert"
    assert Counted.FOREIGN_ADVERT.times(2) == "2 foreign adverts"
    assert Counted.FORGED_SESSION.times(1) == "1 session message not signed by the issuer"
    assert all(what.times(1) != f"1 {what}" for what in Counted)
    assert all(what.times(0) == f"0 {what}" for what in Counted)


async def test_every_count_has_a_name_that_a_journal_takes() -> None:
    async with counting() as (tally, journal, _):
        for what in Counted:
            tally.count(what)
        tally.sum_up()
        fields = journal.events[0].fields
        assert set(fields.values()) == {1}
        assert all(name.replace("_", "").isalpha() and name.islower() for name in fields)
        assert len(fields) == len(Counted)
