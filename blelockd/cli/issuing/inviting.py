"""`guest invite`: a secret for one guest, good once and for ten minutes, to scan or to type."""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from blelockd.adapters.keyring import IEK, ISK, Keyring
from blelockd.adapters.store import Store
from blelockd.cli.configuration import Role, lock_id, person
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.issuing.completion import locks_known, people_known
from blelockd.cli.issuing.store import granted, now, opened
from blelockd.config import IssuerConfig
from blelockd.config.access import EVERYWHERE
from blelockd.config.access_kinds import LocalTime, first_moment, last_moment
from blelockd.config.common import LONGEST_LIFETIME_SECONDS
from blelockd.config.kinds import near_miss, whole
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.invites import (
    INVITE_SECONDS,
    LONG_SECRET_BYTES,
    TYPED_SECRET_BYTES,
    Invite,
    InviteSecret,
)
from blelockd.protocol.v2.terms import MOST_USES
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.schedule import Calendar

_UNIT_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,3})([mhdw])")
_FROM, _UNTIL = first_moment(), last_moment()
_SHORTEST_LIFETIME: Final = 10


@dataclass(frozen=True, slots=True)
class Validity:
    """When a grant holds, as the operator writes it."""

    begins: LocalTime | None = None
    ends: LocalTime | None = None
    seconds: int | None = None

    def instants(self, calendar: Calendar, at: Instant) -> tuple[Instant | None, Instant | None]:
        """The same from and until, when it is `at`."""
        if self.seconds is not None:
            return at, Instant(at + self.seconds * MS_PER_SECOND)
        begins, ends = (
            None if bound is None else calendar.instant(bound.day, bound.minute)
            for bound in (self.begins, self.ends)
        )
        return begins, ends


def invite(role: Role[IssuerConfig]) -> Command:
    """The verb that invites."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        name = to.add_argument("name", metavar="NAME", type=person, help="who is invited")
        people_known(role, name)
        _add_grant_arguments(role, to)

    return Command(
        name="invite",
        summary="invite a guest: a QR code to scan, a code to type",
        about="Invite NAME as a guest, and show what enrols one device of theirs: a QR code and a "
        f"code to type, good once and for {INVITE_SECONDS // 60} minutes. Whoever has it enrols as "
        "NAME. What a guest may open is what the rules of `access:` say; where they say nothing, "
        "what this invite gives by --locks, --valid, --uses and --lifetime.",
        example=f"sudo {role.command} guest invite Ada --locks lock_01 --valid 3d",
        run=lambda arguments: _invite(role.load(arguments), arguments),
        add_arguments=add_arguments,
    )


def _add_grant_arguments(role: Role[IssuerConfig], to: argparse.ArgumentParser) -> None:
    locks = to.add_argument(
        "--locks",
        metavar="LOCK_ID,...",
        type=_locks,
        default=frozenset(),
        help=f"what they may open, or {EVERYWHERE} (default: what the rules say, and nothing else)",
    )
    locks_known(role, locks)
    to.add_argument(
        "--valid",
        metavar="WHEN",
        type=_validity,
        default=Validity(),
        help="from when until when: 2026-12-01..2026-12-24, '2026-12-01 08:00..', "
        "..2026-12-24, or from now on for 90m, 8h, 3d or 2w (default: always)",
    )
    to.add_argument(
        "--uses",
        metavar="TIMES",
        type=_number(1, MOST_USES),
        default=0,
        help="how often they may open in all (default: as often as they like)",
    )
    to.add_argument(
        "--lifetime",
        metavar="DURATION",
        type=_lifetime,
        help="how long a session of theirs may live at most: 600 (seconds), 15m or 8h",
    )


def _invite(config: IssuerConfig, arguments: argparse.Namespace) -> int:
    keyring = Keyring(config.keys_directory)
    issuer, seal_key = keyring.own(ISK).public_key, keyring.own(IEK).public_key
    calendar, at = config.access.policy().calendar, now()
    since, until = arguments.valid.instants(calendar, at)
    if until is not None and until <= max(at, since or at):
        problem = "the invite would never be valid: its end is before its beginning, or over"
        raise Failure(problem, "see --valid", Exit.USAGE)
    grant = Grant(arguments.locks, since, until, arguments.uses, arguments.lifetime)
    scanned = InviteSecret(secrets.token_bytes(LONG_SECRET_BYTES))
    typed = InviteSecret(secrets.token_bytes(TYPED_SECRET_BYTES))
    with opened(config) as store:
        _check_locks(store, grant)
        expires = Instant(at + INVITE_SECONDS * MS_PER_SECOND)
        store.guests.invite(arguments.name, [scanned.key(), typed.key()], grant, expires, at)
    say(f"invited: {arguments.name}; from this invite: {granted(grant, calendar)}")
    if not grant.locks and grant.locks is not None:
        _warn_of_nothing(config, arguments.name)
    _show(Invite.by(issuer, seal_key, scanned).text(), typed.typed())
    return Exit.OK


_HOW_TO_ADD: Final = (
    "`blelock-issuer lock list` shows all; a new one: `blelock-lock card > FILE` there, then "
    "`blelock-issuer lock add FILE`"
)


def _check_locks(store: Store, grant: Grant) -> None:
    known = {str(lock.lock_id) for lock in store.locks.all()}
    for lock in sorted(grant.locks or ()):
        if str(lock) not in known:
            remedy = near_miss(str(lock), known) or _HOW_TO_ADD
            raise Failure(f"there is no lock {lock}", remedy, Exit.DATA)


def _warn_of_nothing(config: IssuerConfig, name: str) -> None:
    rules = config.access.policy().rules
    if not any(rule.allow and (rule.people is None or name in rule.people) for rule in rules):
        say(f"note: no rule of `access:` is about {name}, and without --locks they open nothing")


def _show(text: str, typed: str) -> None:
    if sys.stdout.isatty():
        from blelockd.cli.issuing.qr import in_terminal

        print(in_terminal(text), flush=True)
    say(f"{text}\nor typed: {typed}")
    say(
        "next: on the guest's machine, near the issuer and within "
        f"{INVITE_SECONDS // 60} minutes: `sudo blelock-guest enrol`, which asks for either"
    )


# --- arguments ---------------------------------------------------------------------------------


def _locks(text: str) -> frozenset[LockId] | None:
    if text == EVERYWHERE:
        return None
    return frozenset(map(lock_id, text.split(",")))


def _validity(text: str) -> Validity:
    seconds = _duration_seconds(text)
    if seconds is not None:
        return Validity(seconds=seconds)
    first, between, last = text.partition("..")
    try:
        if not between:
            return Validity(_FROM.parse(text), _UNTIL.parse(text))
        begins = _FROM.parse(first.strip()) if first else None
        ends = _UNTIL.parse(last.strip()) if last else None
    except ValueError as error:
        expected = f"{_FROM.expected}, with .. between two of them; or 8h, 3d, 2w"
        raise argparse.ArgumentTypeError(f"expected {expected}") from error
    return Validity(begins, ends)


def _lifetime(text: str) -> int:
    try:
        return whole(_SHORTEST_LIFETIME, LONGEST_LIFETIME_SECONDS).parse(
            str(_duration_seconds(text) or text)
        )
    except ValueError as error:
        longest = LONGEST_LIFETIME_SECONDS // _UNIT_SECONDS["h"]
        expected = f"seconds, from {_SHORTEST_LIFETIME} on, or 15m, 8h; {longest}h at most"
        raise argparse.ArgumentTypeError(f"expected {expected}") from error


def _duration_seconds(text: str) -> int | None:
    """Of a word such as 8h; None for anything else."""
    duration = _DURATION.fullmatch(text)
    return int(duration[1]) * _UNIT_SECONDS[duration[2]] if duration else None


def _number(low: int, high: int) -> Callable[[str], int]:
    kind = whole(low, high)

    def parse(text: str) -> int:
        try:
            return kind.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"expected {kind.expected}") from error

    return parse
