"""`audit` and `why`, as an operator runs them."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from blelockd.cli.exits import Exit
from blelockd.cli.issuing.store import now
from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditEntry, AuditFilter, AuditKind
from tests.adapters.store.household import said
from tests.cli.commands import status_of
from tests.cli.home import BACK, FRONT, Home
from tests.fakes.enrolled import ISK, fresh


def ids(told: str) -> list[int]:
    return [json.loads(line)["id"] for line in told.splitlines()]


def test_the_audit_is_a_table_for_people(lived_in: Home) -> None:
    status, told = lived_in.run("audit")
    assert status == Exit.OK
    head, *rows = told.splitlines()
    assert head.split() == ["ID", "TIME", "EVENT", "PERSON", "LOCK", "DETAILS"]
    assert len(rows) == 11
    opened = next(row for row in rows if " opened " in row)
    assert " Ada " in opened
    assert " front " in opened
    assert opened.endswith("  session by rule family, -58 dBm")
    assert rows[-1].endswith("back   outside-schedule, by rule night")


def test_what_was_left_off_is_told_beside_the_table(
    lived_in: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("blelockd.cli.issuing.auditing._USUAL", 4)
    argv = ("issuer", "audit", "--config", str(lived_in.file))
    assert status_of(*argv) == Exit.OK
    told = capsys.readouterr()
    assert (len(told.out.splitlines()), told.err) == (5, "7 older: --last 11\n")
    status_of(*argv, "--person", "Ada", "--lock", "front")
    assert capsys.readouterr().err == "1 older: --last 5\n"
    for more in (["--last", "2"], ["--lock", "back"], ["--csv"], ["--json"], ["--person", "Eve"]):
        status_of(*argv, *more)
        assert capsys.readouterr().err == ""


def test_the_audit_is_asked_by_person_lock_and_time(lived_in: Home) -> None:
    def found(*argv: str) -> list[int]:
        return ids(lived_in.run("audit", "--json", *argv)[1])

    assert found() == list(range(1, 12))
    assert found("--person", "Ada") == list(range(4, 12))
    assert found("--lock", "back") == [3, 11]
    assert found("--person", "Ada", "--lock", "front", "--last", "2") == [9, 10]
    assert found("--from", "2020-01-01", "--to", "2020-12-31") == []
    assert found("--from", "2020-01-01") == list(range(1, 12))
    assert "no event matches" in lived_in.run("audit", "--person", "Eve")[1]


def test_json_has_every_field_that_is_known(lived_in: Home) -> None:
    opened = json.loads(lived_in.run("audit", "--json", "--lock", "front", "--last", "1")[1])
    assert opened["event"] == "opened"
    assert (opened["person"], opened["lock"], opened["rule"]) == ("Ada", "front", "family")
    assert (opened["counter"], opened["rssi_dbm"]) == (3, -58)
    assert len(opened["trace"]) == 32
    assert "reason" not in opened


def test_csv_is_no_formula(lived_in: Home) -> None:
    with lived_in.store() as store:
        entry = AuditEntry(time=Instant(0), kind=AuditKind.SESSION_REFUSED, person="=1+1")
        store.audit.record(entry)
    status, told = lived_in.run("audit", "--csv")
    assert status == Exit.OK
    head, *rows = csv.reader(io.StringIO(told))
    assert head[:4] == ["id", "time_ms", "time", "event"]
    assert len(rows) == 12
    assert rows[-1][4] == "'=1+1"
    assert {len(row) for row in rows} == {len(head)}


@pytest.mark.parametrize(
    "argv",
    [
        ["--from", "yesterday"],
        ["--last", "0"],
        ["--last", "-1"],
        ["--head", "7"],
        ["--person", ""],
        ["check"],
        ["--json", "--csv"],
    ],
)
def test_what_the_audit_is_not_asked(lived_in: Home, argv: list[str]) -> None:
    assert lived_in.run("audit", *argv)[0] == Exit.USAGE


def test_an_untouched_audit_verifies_and_a_changed_one_names_the_event(lived_in: Home) -> None:
    status, told = lived_in.run("audit", "verify")
    assert (status, told.splitlines()[0]) == (Exit.OK, "the audit is whole: events 1 to 11")
    assert "no head is signed yet" in told
    head = told.splitlines()[-1].removeprefix("head ")
    with lived_in.store() as store:
        store.audit.accept(ISK, now())
    assert "note" not in lived_in.run("audit", "verify", "--head", head)[1]
    with closing(sqlite3.connect(lived_in.state / "issuer.db")) as connection, connection:
        connection.execute("UPDATE audit SET rule = 'mine' WHERE event_id = 6")
    status, told = lived_in.run("audit", "verify")
    assert status == Exit.DATA
    assert "the audit is not what was written: event 6 was changed" in told


def test_a_cut_end_shows_with_a_head_that_was_noted(lived_in: Home) -> None:
    head = lived_in.run("audit", "verify")[1].splitlines()[-1].removeprefix("head ")
    with closing(sqlite3.connect(lived_in.state / "issuer.db")) as connection, connection:
        connection.execute("DELETE FROM audit WHERE event_id = 11")
    assert lived_in.run("audit", "verify")[0] == Exit.OK
    status, told = lived_in.run("audit", "verify", "--head", head)
    assert (status, "the end is missing, from event 11 on" in told) == (Exit.DATA, True)


def test_the_operator_accepts_an_audit_as_it_is_and_an_event_says_so(lived_in: Home) -> None:
    head = lived_in.run("audit", "verify")[1].splitlines()[-1].removeprefix("head ")
    wrong = f"{head[:-4]}0000"
    status, told = lived_in.run("audit", "accept", "--head", wrong)
    assert (status, "it is not a head that was noted" in told) == (Exit.DATA, True)
    status, told = lived_in.run("audit", "accept", "--head", head)
    assert status == Exit.OK
    assert told.startswith("signed as it is, up to event 12\nhead 12:")
    assert "systemctl restart" in told
    status, told = lived_in.run("audit", "verify")
    assert (status, "note" in told) == (Exit.OK, False)
    (event,) = [json.loads(line) for line in lived_in.run("audit", "--json")[1].splitlines()][-1:]
    assert (event["kind"], event["reason"]) == ("accepted", f"up to {head}")


def test_why_tells_one_story_from_enrolment_to_strike(lived_in: Home) -> None:
    status, told = lived_in.run("why", "10")
    assert status == Exit.OK
    lines = told.splitlines()
    assert lines[0].startswith("Ada; front; trace ")
    assert lines[1].startswith("session of device ")
    assert lines[1].endswith("opened once")
    for line, words in zip(
        lines[2:],
        (
            "the guest enrolled with its device",
            "the issuer granted a session (by rule family)",
            "the lock acknowledged the session (by rule family)",
            "the lock learnt the session",
            "the phone is too far away (session by rule family, -58 dBm)",
            "the lock released the strike",
        ),
        strict=True,
    ):
        assert words in line
    assert [line[:2] for line in lines[2:]] == ["  "] * 5 + ["->"]


def test_why_tells_once_how_often_the_lock_has_learnt_the_session(lived_in: Home) -> None:
    with lived_in.store() as store:
        (learnt,) = (event for event in store.audit.walk(AuditFilter()) if event.event_id == 8)
        assert learnt.trace is not None
        for lock, counter in ((FRONT, 4), (FRONT, 5), (BACK, 1)):
            again = replace(said(counter, EventType.SESSION_LEARNT), time=now())
            again = replace(again, session_id=SessionId(learnt.trace))
            store.doors.take(lock, again, fresh(16), now())

    def told(event_id: int) -> list[str]:
        lines = lived_in.run("why", str(event_id))[1].splitlines()
        return [line for line in lines if "the lock learnt the session" in line]

    front, back = told(10)
    assert front.startswith("        8  ")
    assert front.endswith(", 3 times in all")
    assert back.startswith("       14  ")
    assert "in all" not in back
    assert [line[:11] for line in told(13)] == ["        8  ", "->     13  ", "       14  "]


def test_why_of_a_refusal_says_the_reason_and_the_rule(lived_in: Home) -> None:
    _, told = lived_in.run("why", "11")
    assert "-> " in told
    assert "the issuer refused a session (outside-schedule, by rule night)" in told
    status, told = lived_in.run("why", "99")
    assert (status, "there is no event 99" in told) == (Exit.DATA, True)
    assert lived_in.run("why", "x")[0] == Exit.USAGE


def test_every_door_event_and_every_kind_has_words(home: Home) -> None:
    with home.store() as store:
        for counter, kind in enumerate(EventType, 1):
            store.doors.take(FRONT, said(counter, kind), fresh(16), now())
        for audited in set(AuditKind) - {AuditKind.DOOR}:
            store.audit.record(AuditEntry(time=now(), kind=audited))
        last = store.audit.head().event_id
    for event_id in range(1, last + 1):
        assert home.run("why", str(event_id))[0] == Exit.OK
