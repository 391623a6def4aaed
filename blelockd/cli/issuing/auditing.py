"""`audit`: what was decided, by whom it was asked, and whether anybody has changed the record."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from typing import Final

from blelockd.adapters.keyring import ISK, KeyFileError, Keyring
from blelockd.adapters.store import Store
from blelockd.cli.configuration import Role, lock_id, person
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, note, printable, say
from blelockd.cli.issuing.audit_words import details, name_of, when, who
from blelockd.cli.issuing.completion import locks_known, people_known
from blelockd.cli.issuing.store import now, opened
from blelockd.cli.issuing.tables import table
from blelockd.config import IssuerConfig
from blelockd.config.access_kinds import LocalTime, first_moment, last_moment
from blelockd.config.kinds import OneValue
from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import AuditEvent, AuditFilter, Head
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.schedule import Calendar

_USUAL: Final = 50
_VERIFY: Final = "verify"
_ACCEPT: Final = "accept"
_COLUMNS: Final = ("id", "time", "event", "person", "lock", "details")


def audit(role: Role[IssuerConfig]) -> Command:
    """The verb that shows the audit, and verifies it."""

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        if arguments.what == _VERIFY:
            return _verify(config, arguments.head)
        if arguments.what == _ACCEPT:
            return _accept(config, arguments.head)
        calendar = config.access.policy().calendar
        with opened(config) as store:
            return _show(store, _filter(arguments, calendar), calendar, arguments)

    return Command(
        name="audit",
        summary="show what was decided, and verify that nobody changed it",
        about="Show the decisions of the issuer and its locks: the newest of those that match. How "
        "many older ones there are is told on standard error. "
        "`why EVENT-ID` tells the story of one of them.\n"
        "The time is when it happened: for what a lock says, by its own word. Where the issuer "
        "heard of that more than 5 s later, `told 25 s later` says so; where the lock did not know "
        "the time, it is when the issuer heard. `heard_ms` in --csv and --json is always that, "
        "`door_time_ms` in --json what the lock said, 0 for unknown. The order is that of "
        "hearing.\n"
        "`audit verify` reads all of them, and tells the first that was changed or is missing. It "
        "prints the head of the audit: note it elsewhere and give it with --head another time, "
        "then a cut end shows, too.\n"
        "A running blelock-issuer does not sign an audit that is not what it has seen or signed. "
        "`audit accept` is for when you have replaced its key, or have looked into it and go on "
        "with what is there: it signs all of it, and an event says so. Stop blelock-issuer before, "
        "and start it again.",
        example=f"sudo {role.command} audit --person Ada --from 2026-11-01",
        run=run,
        add_arguments=lambda to: _add_arguments(role, to),
    )


def _add_arguments(role: Role[IssuerConfig], to: argparse.ArgumentParser) -> None:
    role.add_config(to)
    help_ = "verify the whole audit in place of showing it, or accept: sign it as it is"
    choices = [_VERIFY, _ACCEPT]
    to.add_argument("what", metavar="verify|accept", nargs="?", choices=choices, help=help_)
    who_ = to.add_argument("--person", metavar="PERSON", type=person, help="of that person alone")
    people_known(role, who_)
    where = to.add_argument("--lock", metavar="LOCK_ID", type=lock_id, help="of that lock alone")
    locks_known(role, where)
    for name, moment, told in (
        ("--from", first_moment(), "happened not before then: 2026-11-24 or '2026-11-24 08:00'"),
        ("--to", last_moment(), "happened not after then"),
    ):
        destination = f"{name.removeprefix('--')}_"
        kind = _Moment(moment)
        to.add_argument(name, metavar="TIME", dest=destination, type=kind, help=told)
    to.add_argument(
        "--last",
        metavar="N",
        type=_count,
        help=f"the newest N (default: {_USUAL} in a table; all with --json and --csv)",
    )
    form = to.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object in each line")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    to.add_argument(
        "--head",
        metavar="HEAD",
        type=_head,
        action="append",
        default=[],
        help="for both: a head that was noted before; may be given several times",
    )


class _Moment:
    def __init__(self, kind: OneValue[LocalTime]) -> None:
        self._kind = kind

    def __call__(self, text: str) -> LocalTime:
        try:
            return self._kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"expected {self._kind.expected}") from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) == int(text):
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return int(text)


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.reason) from error


def _filter(arguments: argparse.Namespace, calendar: Calendar) -> AuditFilter:
    since: LocalTime | None = arguments.from_
    before: LocalTime | None = arguments.to_
    usual = None if arguments.json or arguments.csv else _USUAL
    return AuditFilter(
        person=arguments.person,
        lock_id=arguments.lock,
        since=None if since is None else calendar.instant(since.day, since.minute),
        before=None if before is None else calendar.instant(before.day, before.minute),
        at_most=arguments.last or usual,
    )


# --- showing -----------------------------------------------------------------------------------


def _show(
    store: Store, wanted: AuditFilter, calendar: Calendar, arguments: argparse.Namespace
) -> int:
    events = store.audit.walk(wanted)
    if arguments.json:
        for event in events:
            print(json.dumps(_object(event, calendar)))
    elif arguments.csv:
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(("id", "time_ms", *_COLUMNS[1:], "guest", "trace", "heard_ms"))
        out.writerows(_values(event, calendar) for event in events)
    else:
        shown = list(events)
        rows = [_cells(event, calendar) for event in shown]
        say(table(_COLUMNS, rows) if shown else "no event matches")
        if shown and arguments.last is None:
            _note_older(store.audit.count(wanted, before=shown[0].event_id), len(shown))
    return Exit.OK


def _note_older(older: int, shown: int) -> None:
    if older:
        note(f"{older} older: --last {older + shown}")


def _cells(event: AuditEvent, calendar: Calendar) -> tuple[str, ...]:
    lock = "-" if event.lock_id is None else str(event.lock_id)
    at = when(event.happened, calendar)
    cells = (str(event.event_id), at, name_of(event), who(event), lock, details(event))
    return tuple(printable(cell).replace("\n", " ") for cell in cells)


def _values(event: AuditEvent, calendar: Calendar) -> tuple[str | int, ...]:
    number, *cells = _cells(event, calendar)
    guest = "" if event.guest_id is None else str(event.guest_id)
    trace = "" if event.trace is None else event.trace.hex()
    shown = (_harmless(cell) for cell in cells)
    return int(number), event.happened, *shown, guest, trace, event.time


def _harmless(cell: str) -> str:
    """What no spreadsheet takes for a formula."""
    return "" if cell == "-" else f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def _object(event: AuditEvent, calendar: Calendar) -> dict[str, object]:
    door = event.door
    told: dict[str, object | None] = {
        "id": event.event_id,
        "time_ms": event.happened,
        "time": when(event.happened, calendar),
        "heard_ms": event.time,
        "event": name_of(event),
        "kind": event.kind.value,
        "person": event.person,
        "reference": event.reference and event.reference.hex(),
        "guest": event.guest_id and str(event.guest_id),
        "lock": event.lock_id and str(event.lock_id),
        "trace": event.trace and event.trace.hex(),
        "rule": event.rule,
        "reason": event.reason or None,
        "epoch": door and door.epoch.hex(),
        "counter": door and door.counter,
        "slot": door and door.slot,
        "rssi_dbm": door and door.rssi_dbm,
        "door_time_ms": door and door.time,
    }
    return {name: value for name, value in told.items() if value is not None}


# --- verifying ---------------------------------------------------------------------------------


def issuer_key(config: IssuerConfig) -> IssuerSigningPublic | None:
    """Whose signed heads to believe; None where this user cannot read the key."""
    try:
        return Keyring(config.keys_directory).own(ISK).public_key
    except KeyFileError:
        return None


def _verify(config: IssuerConfig, noted: list[Head]) -> int:
    issuer = issuer_key(config)  # before root becomes another user
    with opened(config) as store:
        try:
            verified = store.audit.verify(issuer, noted)
        except Broken as broken:
            raise not_as_written(broken) from broken
    first = verified.base.event_id + 1
    say(f"the audit is whole: events {first} to {verified.head.event_id}")
    for told in verified.notes:
        say(f"note: {told}")
    say(f"head {verified.head}")
    return Exit.OK


def _accept(config: IssuerConfig, noted: list[Head]) -> int:
    key = Keyring(config.keys_directory).own(ISK)  # before root becomes another user
    with opened(config) as store:
        try:
            verified = store.audit.accept(key, now(), noted)
        except Broken as broken:
            raise not_as_written(broken) from broken
    say(f"signed as it is, up to event {verified.head.event_id}\nhead {verified.head}")
    say("next: `systemctl restart blelock-issuer`")
    return Exit.OK


def not_as_written(broken: Broken) -> Failure:
    """The failure that says what was changed."""
    remedy = (
        "somebody who can write the issuer's files has done that, or the disk;\n"
        "keep a copy of issuer.db, and compare it with the last backup and the journal;\n"
        "if the issuer's key was replaced: `blelock-issuer audit accept`"
    )
    return Failure(f"the audit is not what was written: {broken.reason}", remedy, Exit.DATA)
