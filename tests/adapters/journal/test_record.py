"""What an event looks like in a journal, whatever somebody smuggled into it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from blelockd.adapters.journal import MESSAGE_IDS
from blelockd.adapters.journal.record import LARGEST_VALUE_BYTES, clean, native_fields
from blelockd.adapters.journal.shapes import (
    LARGEST_LINE_BYTES,
    coloured,
    json_line,
    prefixed,
    text,
)
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.services.events import Event, EventKind, Severity
from tests.fakes.clock import NOON

ANY_TEXT = st.text(st.characters(), max_size=3000)
ANY_EVENT = st.builds(
    Event,
    st.sampled_from(EventKind),
    ANY_TEXT,
    st.sampled_from(Severity),
    st.dictionaries(
        st.text(max_size=80),
        st.one_of(ANY_TEXT, st.integers(), st.floats(), st.none(), st.booleans()),
        max_size=20,
    ),
)

UNLOCK = Event(
    EventKind.UNLOCK,
    "lock_01 opens",
    Severity.NOTICE,
    {"lock": LockId("lock_01"), "rssi_dbm": -50, "note": "a b"},
)


def test_each_kind_of_event_has_its_own_id_for_ever() -> None:
    assert set(MESSAGE_IDS) == set(EventKind)
    assert len(set(MESSAGE_IDS.values())) == len(EventKind)
    # what is in somebody's catalog or script today must be found in ten years
    assert MESSAGE_IDS[EventKind.UNLOCK] == "09ec12f7faaa59b29fa742dc9d3d6eff"
    assert MESSAGE_IDS[EventKind.REFUSAL] == "d15c057c6b3e5b61be145050aca1042c"


def test_journald_gets_the_fields_by_which_people_filter() -> None:
    fields = native_fields(UNLOCK, "blelock-lock")
    assert fields == [
        "MESSAGE=lock_01 opens",
        "PRIORITY=5",
        f"MESSAGE_ID={MESSAGE_IDS[EventKind.UNLOCK]}",
        "SYSLOG_IDENTIFIER=blelock-lock",
        "BLELOCK_EVENT=unlock",
        "BLELOCK_LOCK=lock_01",
        "BLELOCK_RSSI_DBM=-50",
        "BLELOCK_NOTE=a b",
    ]


def test_a_service_manager_gets_the_priority_in_front() -> None:
    assert prefixed(UNLOCK, NOON) == '<5>unlock: lock_01 opens lock=lock_01 rssi_dbm=-50 note="a b"'


def test_a_person_gets_time_kind_and_message() -> None:
    line = text(UNLOCK, Instant(NOON + 7))
    assert line.split()[0].endswith(".007")
    assert " unlock           lock_01 opens lock=lock_01 rssi_dbm=-50" in line


def test_a_person_does_not_read_the_same_twice() -> None:
    fields = {"part": "scan", "detail": "on hci0", "session": "scan"}
    up = Event(EventKind.LINK_UP, "scan: on hci0", fields=fields)
    assert text(up, NOON).endswith(" link-up          scan: on hci0 session=scan")
    assert prefixed(up, NOON).endswith(': scan: on hci0 part=scan detail="on hci0" session=scan')
    assert json.loads(json_line(up, NOON))["fields"] == fields
    other = Event(EventKind.FAULT, "it failed", fields={"part": "scan", "detail": "no adapter"})
    assert text(other, NOON).endswith(' it failed part=scan detail="no adapter"')


def test_a_detail_too_long_for_a_field_is_in_the_message_and_not_told_twice() -> None:
    cause = "the adapter is gone, " * 20
    lost = Event(EventKind.LINK_LOST, f"scan: {cause}", fields={"part": "scan", "detail": cause})
    assert "detail=" not in text(lost, NOON)


def test_colours_are_nothing_but_colours() -> None:
    line = coloured(UNLOCK, NOON)
    for code in ("\x1b[0m", "\x1b[2m", "\x1b[1;32m"):
        assert code in line
        line = line.replace(code, "")
    assert line == text(UNLOCK, NOON)


def test_a_program_gets_json_with_numbers_as_numbers() -> None:
    assert json.loads(json_line(UNLOCK, NOON)) == {
        "time_ms": NOON,
        "event": "unlock",
        "severity": "notice",
        "message": "lock_01 opens",
        "fields": {"lock": "lock_01", "rssi_dbm": -50, "note": "a b"},
    }


def test_a_secret_that_strays_into_an_event_stays_secret() -> None:
    key = SessionKey(b"a key that nobody may ever read.")
    event = Event(EventKind.FAULT, f"what is this: {key}", fields={"key": key})
    for shape in (text, prefixed, json_line):
        assert "nobody" not in shape(event, NOON)
    assert not any("nobody" in field for field in native_fields(event, "blelock-lock"))


def test_a_guest_cannot_forge_a_line_or_a_field() -> None:
    forged = Event(
        EventKind.REFUSAL,
        "from x\n<5>unlock: lock_01 opens",
        fields={"name": "a\nBLELOCK_EVENT=unlock\r\x1b[2J\u202e\x00b", "A=B\nC": "d"},
    )
    for shape in (text, prefixed, json_line):
        assert "\n" not in shape(forged, NOON)
    fields = native_fields(forged, "blelock-lock")
    assert "BLELOCK_NAME=a BLELOCK_EVENT=unlock [2Jb" in fields
    assert "BLELOCK_A_B_C=d" in fields


@given(ANY_TEXT)
def test_whatever_a_value_holds_what_is_kept_is_printable_and_short(value: str) -> None:
    kept = clean(value)
    assert kept.isprintable()
    assert len(kept.encode()) <= LARGEST_VALUE_BYTES


@given(ANY_EVENT)
def test_whatever_an_event_holds_it_is_one_line_of_bounded_length(event: Event) -> None:
    for shape in (text, prefixed):
        assert shape(event, NOON).isprintable()
    line = json_line(event, NOON)
    assert len(line.encode()) <= LARGEST_LINE_BYTES
    assert json.loads(line, parse_constant=lambda name: 1 / 0)["event"] == event.kind
    assert not any("\n" in field for field in native_fields(event, "blelock-lock"))
