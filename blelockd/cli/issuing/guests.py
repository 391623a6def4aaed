"""`guest list`, `show`, `suspend`, `resume` and `remove`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from blelockd.adapters.store import Store
from blelockd.cli.configuration import Role
from blelockd.cli.exits import Exit
from blelockd.cli.frame import Command, Group, say
from blelockd.cli.issuing.inviting import invite
from blelockd.cli.issuing.selecting import add_guest_argument, guests_meant
from blelockd.cli.issuing.store import (
    counted,
    granted,
    not_yet,
    now,
    opened,
    pending_numbers,
    short,
    shown,
    wait_for_locks,
)
from blelockd.cli.issuing.tables import table
from blelockd.config import IssuerConfig
from blelockd.protocol.ids import GuestId
from blelockd.protocol.instants import Instant
from blelockd.services.issuer.access import BY_GRANT
from blelockd.services.issuer.records import Guest, GuestState
from blelockd.services.issuer.schedule import Calendar

_NOBODY: Final = "no guests; next: `blelock-issuer guest invite NAME --locks LOCK_ID`"


def guests(role: Role[IssuerConfig]) -> Group:
    """The verbs about guests."""
    return Group(
        name="guest",
        summary="invite guests, list, suspend and remove them",
        about="The guests of this issuer: people, and the devices with which they have enrolled. A "
        "running blelock-issuer takes changes at once.",
        commands=(
            invite(role),
            _list(role),
            _show(role),
            *(_changing(role, change) for change in (_SUSPEND, _RESUME, _REMOVE)),
        ),
    )


# --- looking -----------------------------------------------------------------------------------


def _list(role: Role[IssuerConfig]) -> Command:
    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument("--all", action="store_true", help="those that were removed, too")

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        with opened(config) as store:
            rows = list(_rows(store, config.access.policy().calendar, removed=arguments.all))
        head = ("person", "device", "id", "state", "enrolled")
        say(table(head, rows) if rows else _NOBODY)
        return Exit.OK

    return Command(
        name="list",
        summary="list the guests and the open invites",
        about="List every guest's devices, and the invites that nobody has used yet.",
        example=f"sudo {role.command} guest list",
        run=run,
        add_arguments=add_arguments,
    )


def _rows(store: Store, calendar: Calendar, *, removed: bool) -> Iterator[tuple[str, ...]]:
    for guest in store.guests.all():
        if removed or guest.state is not GuestState.REMOVED:
            enrolled = shown(guest.enrolled, calendar)
            yield guest.person, guest.label or "-", short(guest.guest_id), guest.state, enrolled
    for one in store.guests.invites(now()):
        yield one.person, "-", "-", "invited", f"until {shown(one.expires, calendar)}"


def _show(role: Role[IssuerConfig]) -> Command:
    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_guest_argument(role, to)

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        calendar = config.access.policy().calendar
        with opened(config) as store:
            invited = [one for one in store.guests.invites(now()) if one.person == arguments.guest]
            for one in invited:
                say(f"{one.person}: invited until {shown(one.expires, calendar)}")
                say(f"  the invite: {granted(one.grant, calendar)}")
            if invited and not store.guests.all(arguments.guest):
                return Exit.OK
            for guest in guests_meant(store, arguments.guest, removed=True):
                for line in _described(store, guest, calendar):
                    say(line)
        return Exit.OK

    return Command(
        name="show",
        summary="show all that is known of a guest",
        about="Show a guest's devices: what their invites gave, how often they have opened, which "
        "sessions are live, and which revocations no lock has acknowledged yet. What the rules say "
        "of them, `access check` tells.",
        example=f"sudo {role.command} guest show Ada",
        run=run,
        add_arguments=add_arguments,
    )


def _described(store: Store, guest: Guest, calendar: Calendar) -> Iterator[str]:
    yield f"{guest.person}: {guest.label or 'a device'}, {guest.state}"
    yield f"  id: {guest.guest_id}"
    yield f"  enrolled: {shown(guest.enrolled, calendar)}"
    yield f"  from its invite: {granted(guest.grant, calendar)}"
    for rule, times in store.guests.openings(guest.person, guest.guest_id).items():
        by = "by its invite" if rule == BY_GRANT else f"by rule {rule}"
        yield f"  has opened {by}: {counted(times)}"
    for session in store.sessions.lives_of(guest.guest_id, now()):
        there = "" if session.delivered else ", not at the lock yet"
        until = shown(session.not_after, calendar)
        yield f"  session {session.session_id}: {session.lock_id}, until {until}{there}"
    for revocation in store.sessions.pending():
        if revocation.revoke.whom == guest.guest_id:
            yield f"  ended, {not_yet(revocation, calendar)}"


# --- changing ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Change:
    """A verb that changes guests. `do` is false where there was nothing to change."""

    name: str
    done: str
    before: str
    do: Callable[[Store, GuestId, Instant], bool]
    summary: str
    about: str
    ends_sessions: bool = True


def _removed(store: Store, guest_id: GuestId, at: Instant) -> bool:
    store.guests.remove(guest_id, at)
    return True


_ENDS: Final = (
    "The locks are told to forget their sessions; this waits up to 2 s for them, and what is not "
    "acknowledged is told again when the lock is there."
)
_SUSPEND: Final = _Change(
    "suspend",
    "suspended",
    "suspended already",
    lambda store, guest_id, at: store.guests.suspend(guest_id, at),
    "refuse a guest until `guest resume`, and end its sessions",
    "Refuse GUEST from now on, until `guest resume`. The person's open invites are withdrawn, "
    f"where GUEST is one device, too. {_ENDS}",
)
_NEXT: Final = (
    "next: nothing; sessions that were ended stay so, and the guest's daemon asks for new ones\n"
    "when their time is over. `blelock-guest unlock`, or a restart of it, asks at once"
)
_RESUME: Final = _Change(
    "resume",
    "active again",
    "active already",
    lambda store, guest_id, at: store.guests.resume(guest_id, at),
    "let a suspended guest in again",
    "Let GUEST ask for sessions again. Those that were ended stay so.",
    ends_sessions=False,
)
_REMOVE: Final = _Change(
    "remove",
    "removed",
    "removed already",
    _removed,
    "forget a guest, and end its sessions",
    "Refuse GUEST for ever: to come back it needs a new invite. The person's open invites are "
    "withdrawn, where GUEST is one device or somebody who is only invited, too. "
    f"{_ENDS}",
)


def _withdrawn(store: Store, person: str) -> bool:
    """Whether that person had invites that nobody has used: they bring nobody in any more."""
    number = store.guests.withdraw(person, now())
    if number:
        say(f"{person}: {number} open invite{'' if number == 1 else 's'} withdrawn")
    return number > 0


def _has_devices(store: Store, person: str) -> bool:
    """Whether there is any that was not removed."""
    return any(guest.state is not GuestState.REMOVED for guest in store.guests.all(person))


def _changing(role: Role[IssuerConfig], change: _Change) -> Command:
    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_guest_argument(role, to)

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        with opened(config) as store:
            before = pending_numbers(store)
            withdrawn = _withdrawn(store, arguments.guest) if change.ends_sessions else False
            if withdrawn and not _has_devices(store, arguments.guest):
                return Exit.OK
            guests = guests_meant(store, arguments.guest)
            if change.ends_sessions:  # a device that was named by its id, too, has a person
                for person in sorted({guest.person for guest in guests}):
                    _withdrawn(store, person)
            for guest in guests:
                changed = change.do(store, guest.guest_id, now())
                told = change.done if changed else change.before
                say(f"{guest.person}, {guest.label or 'a device'} {short(guest.guest_id)}: {told}")
            if change.ends_sessions:
                wait_for_locks(store, before, config.access.policy().calendar)
            else:
                say(_NEXT)
        return Exit.OK

    return Command(
        name=change.name,
        summary=change.summary,
        about=change.about,
        example=f"sudo {role.command} guest {change.name} Ada",
        run=run,
        add_arguments=add_arguments,
    )
