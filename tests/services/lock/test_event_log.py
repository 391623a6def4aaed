"""Events reach the issuer each once and without a gap, whatever disk, broker and issuer do."""

from __future__ import annotations

import pytest

from blelockd.protocol.v2.down import Revoke
from blelockd.protocol.v2.reports import Event, EventType
from blelockd.protocol.verdict import Reason
from blelockd.services.events import EventKind
from blelockd.services.lock.event_log import LONGEST_WAIT_SECONDS, MOST_UNSAVED
from tests.fakes.clock import settle
from tests.fakes.lock_v2 import REARM_SECONDS
from tests.services.lock.place import Place


async def test_events_are_acknowledged_and_then_no_longer_kept(place: Place) -> None:
    place.happens(3)
    await settle()
    assert place.issuer.kinds() == ["OPENED"] * 3
    assert place.disk.kept == []
    assert place.town.lock.log.waiting == 0


async def test_many_events_go_to_disk_in_few_steps(place: Place) -> None:
    place.happens(500)
    await place.has(500)
    assert len(place.issuer.kinds()) == 500
    assert place.disk.appended == [100] * 5


async def test_kill_nine_loses_no_event_that_was_written(place: Place) -> None:
    place.issuer.deaf = True
    place.happens(70)
    await settle()
    await place.town.restart()
    place.happens(1)
    await place.town.pass_(10)
    assert place.issuer.kinds() == []
    place.issuer.deaf = False
    await place.town.pass_(130)
    counts = [len(events) for events in place.issuer.events.values()]
    assert counts == [70, 1]
    assert place.disk.kept == []


async def test_an_opening_is_on_disk_before_the_strike_moves(place: Place) -> None:
    place.issuer.deaf = True
    session = await place.town.learns()
    on_disk: list[list[str]] = []
    strike = place.town.lock.strike
    genuine = strike.release

    async def releasing(admit: object) -> None:
        on_disk.append([event.kind.name for event in place.disk.kept])
        await genuine(admit)  # type: ignore[arg-type]

    strike.release = releasing  # type: ignore[method-assign]
    place.town.lock.hears(session)
    await place.town.pass_(0.1)
    assert on_disk == [["SESSION_LEARNT", "OPENED"]]


@pytest.mark.parametrize("trouble", ["full", "dead"])
async def test_the_door_opens_though_the_disk_fails_and_nothing_is_lost(
    place: Place, trouble: str
) -> None:
    session = await place.town.learns()
    setattr(place.disk, trouble, True)
    place.town.lock.hears(session)
    await place.town.pass_(0.1)
    assert len(place.town.lock.strike.releases) == 1
    (lost,) = place.town.lock.journal.of(EventKind.LINK_LOST)
    assert "events: not kept on disk: events.db: the disk is full; make room there" in lost.message
    await place.town.pass_(20)
    place.town.lock.hears(session)
    await place.town.pass_(0.1)
    assert len(place.town.lock.strike.releases) == 2
    # a disk that can be read does not keep the issuer waiting
    assert place.issuer.kinds().count("OPENED") == (2 if trouble == "full" else 0)
    setattr(place.disk, trouble, False)
    await place.town.pass_(130)
    assert place.issuer.kinds() == ["SESSION_LEARNT", "OPENED", "OPENED"]
    assert place.disk.kept == []
    assert place.town.lock.journal.of(EventKind.LINK_REGAINED)[-1].fields["part"] == "events"


async def test_the_door_waits_for_a_slow_disk_but_not_for_long(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await place.town.learns()
    place.town.lock.log._at_rest.clear()
    monkeypatch.setattr(place.town.lock.log._at_rest, "set", lambda: None)
    place.town.lock.hears(session)
    await place.town.pass_(LONGEST_WAIT_SECONDS - 0.05)
    assert place.town.lock.strike.releases == []
    await place.town.pass_(0.1)
    assert len(place.town.lock.strike.releases) == 1


async def test_a_disk_that_keeps_what_was_acknowledged_does_not_send_it_for_ever(
    place: Place,
) -> None:
    place.issuer.deaf = True
    place.happens(3)
    await settle()
    place.disk.full = True
    place.issuer.deaf = False
    await place.town.pass_(130)
    said = len(place.issuer.said_of(Event))
    place.happens(1)
    await place.town.pass_(300)
    assert len(place.issuer.said_of(Event)) == said + 1
    assert len(place.disk.kept) == 3
    place.disk.full = False
    await place.town.pass_(20)
    assert place.disk.kept == []
    assert place.issuer.kinds() == ["OPENED"] * 4


async def test_a_disk_that_is_full_is_not_taken_for_well_because_nothing_waits_for_it(
    place: Place,
) -> None:
    place.disk.full = True
    place.happens(3)
    await place.town.pass_(60)
    assert place.issuer.kinds() == ["OPENED"] * 3  # from memory
    assert place.town.lock.log.waiting == 0
    assert not place.town.lock.log.has_room_for_opening()
    assert place.town.lock.journal.of(EventKind.LINK_REGAINED) == []
    place.disk.full = False
    await place.town.pass_(10)
    assert place.town.lock.log.has_room_for_opening()
    assert place.disk.appended == []
    assert place.town.lock.journal.of(EventKind.LINK_REGAINED)[-1].fields["part"] == "events"


async def test_a_damaged_disk_is_named_and_told_to_the_issuer(place: Place) -> None:
    place.issuer.deaf = True
    place.happens(7)
    await settle()
    place.disk.damaged = True
    place.happens(2)
    await place.town.pass_(5)
    assert "damaged" in place.town.lock.journal.text()
    place.issuer.deaf = False
    await place.town.pass_(130)
    ((lost, *rest),) = place.issuer.events.values()
    assert (lost.kind, lost.slot, lost.counter) == (EventType.EVENTS_LOST, 7, 1)
    assert [event.kind for event in rest] == [EventType.OPENED] * 2
    assert lost.epoch != place.town.lock.epoch


async def test_a_disk_that_is_damaged_again_and_again_fills_no_memory(place: Place) -> None:
    for _ in range(50):
        place.disk.damaged = True
        await place.town.pass_(10)
    assert place.town.lock.log.waiting <= 60


async def test_events_of_a_silent_issuer_are_asked_for_one_by_one(place: Place) -> None:
    place.issuer.deaf = True
    place.happens(50)
    await place.has(50)
    await place.town.pass_(600)
    assert len(place.issuer.said_of(Event)) < 50 + 20
    place.issuer.deaf = False
    await place.town.pass_(70)
    assert len(place.issuer.kinds()) == 50


async def test_events_are_sent_at_once_when_the_issuer_has_told_the_time_again(
    place: Place,
) -> None:
    """The link to the broker was up all the while, and the next try is most of a minute away."""
    place.issuer.silent = True
    place.happens(3)
    await place.town.pass_(400)
    place.issuer.silent = False
    place.town.lock.greeting.arrive()
    await settle()
    assert place.town.lock.log.waiting == 0
    assert place.issuer.kinds() == ["OPENED"] * 3


async def test_nothing_is_sent_where_there_is_no_broker_and_all_of_it_when_it_is_back(
    place: Place,
) -> None:
    place.town.connected = False
    place.happens(20)
    await place.town.pass_(300)
    assert place.issuer.said_of(Event) == []
    await place.town.reconnect()
    await place.town.pass_(6)
    assert len(place.issuer.kinds()) == 20


async def test_a_log_that_is_full_tells_the_journal_and_then_the_issuer(place: Place) -> None:
    place.issuer.deaf = True
    for _ in range(11):
        place.happens(100)
        await settle()
    assert place.town.lock.log.waiting == 999
    (told,) = place.town.lock.journal.of(EventKind.EVENTS_LOST)
    assert told.fields["waiting"] == 999
    await place.town.pass_(60)
    place.happens(5)
    assert len(place.town.lock.journal.of(EventKind.EVENTS_LOST)) == 2
    place.issuer.deaf = False
    await place.town.pass_(130)
    place.happens(1)
    await settle()
    kinds = place.issuer.kinds()
    assert kinds == ["OPENED"] * 999 + ["EVENTS_LOST", "OPENED"]
    (events,) = place.issuer.events.values()
    assert events[999].slot == 1100 + 5 - 999


async def test_refusals_leave_room_for_what_opened(place: Place) -> None:
    place.issuer.deaf = True
    for _ in range(12):
        place.happens(100, EventType.TOO_FAR)
        await settle()
    assert place.town.lock.log.waiting == 899
    place.happens(1)
    assert place.town.lock.log.waiting == 901  # with that of the lost ones


async def test_a_dead_disk_lets_only_so_much_wait_in_memory(place: Place) -> None:
    place.disk.dead = True
    place.happens(1)
    await settle()
    place.happens(3 * MOST_UNSAVED)
    assert place.town.lock.log.waiting < MOST_UNSAVED
    assert place.town.lock.journal.of(EventKind.EVENTS_LOST)


async def test_each_refusal_of_a_session_is_one_event_a_minute(place: Place) -> None:
    session = await place.town.learns()
    for _ in range(100):
        place.town.lock.hears(session, rssi_dbm=-90)
    await settle()
    assert place.issuer.kinds() == ["SESSION_LEARNT", "TOO_FAR"]
    (_, refused) = place.issuer.said_of(Event)
    assert refused.rssi_dbm == -90
    assert refused.slot == session.slot_at(place.town.time.now)
    assert refused.time == place.town.lock.time.now()
    assert EventType.refusal(Reason.TOO_FAR) is refused.kind


async def test_what_a_phone_says_again_and_again_and_what_strangers_say_is_no_event(
    place: Place,
) -> None:
    session = await place.town.learns()
    for _ in range(10):
        place.town.lock.hears(session)
        place.town.lock.hears_bytes(bytes(20))
        await place.town.pass_(REARM_SECONDS / 10)
    assert place.issuer.kinds() == ["SESSION_LEARNT", "OPENED"]


async def test_an_event_from_before_the_time_was_known_says_so(place: Place) -> None:
    place.issuer.silent = True
    await place.town.restart()
    place.happens(1)
    assert place.town.lock.log._unsaved[0].time == 0


async def test_the_last_words_of_a_daemon_that_is_told_to_stop_are_on_disk(place: Place) -> None:
    place.issuer.deaf = True
    await place.town.learns()
    await place.town.send(Revoke(None))
    place.issuer.sessions.clear()
    place.happens(3)
    for task in place.town._tasks:
        task.cancel()
    await settle()
    assert len(place.disk.kept) == 5
    await place.town.restart()
    place.issuer.deaf = False
    await place.town.pass_(130)
    assert place.issuer.kinds() == ["SESSION_LEARNT", "SESSION_REVOKED", *["OPENED"] * 3]
