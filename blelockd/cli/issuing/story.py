"""`why`: the story of one event, from the guest's enrolment and request to the strike."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

from blelockd.adapters.store import Store
from blelockd.cli.configuration import Role
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.issuing.audit_words import sentence, when, who
from blelockd.cli.issuing.store import counted, opened
from blelockd.config import IssuerConfig
from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditEvent, AuditFilter, AuditKind
from blelockd.services.issuer.schedule import Calendar


def why(role: Role[IssuerConfig]) -> Command:
    """The verb that tells how an event came about."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument("event", metavar="EVENT-ID", type=_number, help="its id in `audit`")

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        calendar = config.access.policy().calendar
        with opened(config) as store:
            event = store.audit.get(arguments.event)
            if event is None:
                remedy = "`blelock-issuer audit` shows the ids; older events may have been let go"
                raise Failure(f"there is no event {arguments.event}", remedy, Exit.DATA)
            for line in _story(store, event, calendar):
                say(line)
        return Exit.OK

    return Command(
        name="why",
        summary="tell the story of an event, from request to strike",
        about="Tell how an event of the audit came about: how the guest enrolled, what the issuer "
        "decided by which rule, what the lock made of it, each with its reason. The event itself "
        "is marked by an arrow. Times are as in `audit`.",
        example=f"sudo {role.command} why 42",
        run=run,
        add_arguments=add_arguments,
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError("expected the number of an event")
    return int(text)


def _story(store: Store, event: AuditEvent, calendar: Calendar) -> Iterator[str]:
    story = [event]
    if event.trace is not None:
        story = list(store.audit.walk(AuditFilter(trace=event.trace)))
    yield _headline(event, story)
    yield from _session(store, event, calendar)
    learnt = Counter(lock for told in story if (lock := _learnt_at(told)) is not None)
    for told in [*_enrolment(store, story), *story]:
        asked = told.event_id == event.event_id
        lock = _learnt_at(told)
        times = 1 if lock is None else learnt.pop(lock, 0)
        if not times and not asked:  # a lock learns it anew with each SYNC: told at the first
            continue
        often = f", {counted(times)} in all" if times > 1 else ""
        mark = "->" if asked else "  "
        moment = when(told.happened, calendar)
        yield f"{mark} {told.event_id:>6}  {moment}  {sentence(told)}{often}"


def _learnt_at(told: AuditEvent) -> LockId | None:
    """The lock that says in it that it has learnt the session."""
    learnt = told.door is not None and told.door.kind is EventType.SESSION_LEARNT
    return told.lock_id if learnt else None


def _headline(event: AuditEvent, story: list[AuditEvent]) -> str:
    people = {who(told) for told in story if told.reference is not None}
    locks = {str(told.lock_id) for told in story if told.lock_id is not None}
    parts = [", ".join(sorted(people)) or "nobody known", ", ".join(sorted(locks)) or "no lock"]
    if event.trace is not None:
        parts.append(f"trace {event.trace.hex()}")
    return "; ".join(parts)


def _session(store: Store, event: AuditEvent, calendar: Calendar) -> Iterator[str]:
    if event.trace is None:
        return
    session = store.sessions.get(SessionId(event.trace))
    if session is None:
        return
    span = f"from {when(session.not_before, calendar)} until {when(session.not_after, calendar)}"
    yield f"session of device {session.guest_id}, {span}, opened {counted(session.openings)}"


def _enrolment(store: Store, story: list[AuditEvent]) -> list[AuditEvent]:
    """How the guest came to be one: the last time before the story begins."""
    guest_id = next((told.guest_id for told in story if told.guest_id is not None), None)
    if guest_id is None or story[0].kind is AuditKind.GUEST_ENROLLED:
        return []
    found = store.audit.find(AuditFilter(guest_id=guest_id, kind=AuditKind.GUEST_ENROLLED))
    return [told for told in found if told.event_id < story[0].event_id][-1:]
