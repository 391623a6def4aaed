"""`access check`: what the policy decides for a person at a lock, and which line of it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from blelockd.cli.configuration import Role, lock_id, person
from blelockd.cli.exits import Exit
from blelockd.cli.frame import Command, Group, printable, say
from blelockd.cli.issuing.completion import locks_known, people_known
from blelockd.cli.issuing.store import STORE_FILE, now, opened
from blelockd.config import IssuerConfig
from blelockd.config.access_kinds import LocalTime, first_moment
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.answer import RefusalCode
from blelockd.services.issuer.access import BY_GRANT, Allowed, Ask, Decision, Denied, decide
from blelockd.services.issuer.records import Guest, GuestState

_MOMENT: Final = first_moment()


def access(role: Role[IssuerConfig]) -> Group:
    """The verbs about who may open what."""
    return Group(
        name="access",
        summary="ask the access policy",
        about="Ask what the access policy, `access:` in issuer.yaml, says of somebody.",
        commands=(_check(role),),
    )


def _check(role: Role[IssuerConfig]) -> Command:
    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        who = to.add_argument("person", metavar="PERSON", type=person, help="who wants to open")
        people_known(role, who)
        where = to.add_argument("lock", metavar="LOCK_ID", type=lock_id, help="which lock")
        locks_known(role, where)
        to.add_argument(
            "--at",
            metavar="TIME",
            type=_local_time,
            help="when, as 2026-11-24 or '2026-11-24 08:00', by the clock on the wall in "
            "access.time_zone (default: now)",
        )

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        return _Checking(config, _kept(config, arguments), arguments).told()

    return Command(
        name="check",
        summary="say whether a person may open a lock, and which rule decides",
        about="Say whether PERSON may open LOCK_ID now or at TIME, and which rule of the "
        "configuration decides, with its line, or that what their own invite gave does. Exit "
        "status 0 is yes, 1 is no. Who is not root is told of the rules alone.",
        example=f"sudo {role.command} access check Ada lock_01 --at '2026-11-24 08:00'",
        run=run,
        add_arguments=add_arguments,
    )


def _local_time(text: str) -> LocalTime:
    try:
        return _MOMENT.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {_MOMENT.expected}") from error


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the store knows of a person and a lock; nobody asked, `looked` is false."""

    looked: bool = False
    lock_known: bool = True
    devices: tuple[tuple[Guest, Mapping[str, int]], ...] = ()


def _kept(config: IssuerConfig, arguments: argparse.Namespace) -> _Kept:
    """Raises Failure."""
    directory = config.state_directory
    if directory.exists() and not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return _Kept()
    if not (directory / STORE_FILE).exists():  # and none is made for a question
        return _Kept(looked=True, lock_known=False)
    who: str = arguments.person
    with opened(config) as store:
        lock = store.locks.get(arguments.lock)
        guests = (g for g in store.guests.all(who) if g.state is not GuestState.REMOVED)
        devices = tuple((guest, store.guests.openings(who, guest.guest_id)) for guest in guests)
    return _Kept(True, lock is not None and lock.removed is None, devices)


class _Checking:
    """One question, in words."""

    def __init__(self, config: IssuerConfig, kept: _Kept, arguments: argparse.Namespace) -> None:
        self._path: Path = arguments.config
        self._policy = config.access.policy()
        self._kept = kept
        lifetime = config.session.lifetime_seconds
        at = self._instant(arguments.at)
        self._ask = Ask(arguments.person, arguments.lock, at, lifetime)

    def told(self) -> int:
        told = f"{self._ask.person}, {self._ask.lock_id}, {self._when(self._ask.at)}"
        best = self._best()
        self._note()
        if isinstance(best, Allowed):
            say(f"yes: {told}\n{self._allowed(best)}")
            return Exit.OK
        say(f"no: {told}\n{best if isinstance(best, str) else self._denied(best)}")
        return Exit.NO

    def _best(self) -> Decision | str:
        """What the person's most fortunate device is told, or why none may even ask."""
        devices = self._kept.devices
        active = [device for device in devices if device[0].state is GuestState.ACTIVE]
        if devices and not active:
            return f"  suspended; `blelock-issuer guest resume {self._ask.person}` ends that"
        asks = [replace(self._ask, grant=g.grant, uses=uses) for g, uses in active] or [self._ask]
        decided = [(decide(self._policy, ask), ask) for ask in asks]
        best, self._ask = next((d for d in decided if isinstance(d[0], Allowed)), decided[0])
        return best

    def _note(self) -> None:
        if not self._kept.looked:
            note = "what invites gave, and who is suspended, only root may look at"
        elif not self._kept.devices:
            note = f"{self._ask.person} has no device enrolled"
        elif not self._kept.lock_known:
            note = f"this issuer knows no lock {self._ask.lock_id}: `blelock-issuer lock add CARD`"
        else:
            return
        print(printable(f"note: {note}"), file=sys.stderr)

    def _allowed(self, decision: Allowed) -> str:
        limits = decision.limits
        parts = [f"until {self._when(decision.not_after)} at most"]
        if limits.rssi_min_dbm is not None:
            parts.append(f"heard at {limits.rssi_min_dbm} dBm or louder")
        if limits.path_loss_max_db is not None:
            parts.append(f"{limits.path_loss_max_db} dB lost on the way or less")
        if limits.intent_required:
            parts.append("meant by hand, `blelock-guest unlock`")
        if limits.challenge_mode:
            parts.append("in answer to the lock")
        if decision.uses_left:
            parts.append(f"{decision.uses_left} more times")
        return f"{self._rule(decision.rule)} lets them in\n  a session: {', '.join(parts)}"

    def _denied(self, decision: Denied) -> str:
        if decision.code is RefusalCode.USES_SPENT and decision.rule is not None:
            return f"{self._rule(decision.rule)}: its uses are spent"
        if decision.rule is not None:
            told = f"{self._rule(decision.rule)} keeps them out"
        else:
            told = f"  {self._path}: no rule is about them there and then"
            told += ", and no invite gives it" if self._kept.looked else ""
        if decision.code is RefusalCode.NOT_ALLOWED:
            return f"{told}, nor at any other time"
        then = Instant(self._ask.at + decision.retry_seconds * MS_PER_SECOND)
        again = decide(self._policy, replace(self._ask, at=then))
        if isinstance(again, Allowed):
            told += f"\n{self._rule(again.rule)} lets them in from {self._when(then)} on"
        return told

    def _rule(self, name: str) -> str:
        if name == BY_GRANT:
            return "  what their own invite gave"
        line = IssuerConfig.line_of(self._path, "access", "rules", name)
        return f"  {self._path}:{line}: rule {name}"

    def _instant(self, given: LocalTime | None) -> Instant:
        if given is None:
            return now()
        return self._policy.calendar.instant(given.day, given.minute)

    def _when(self, at: Instant) -> str:
        shown = datetime.fromtimestamp(at / MS_PER_SECOND, self._policy.calendar.zone)
        seconds = ":%S" if shown.second else ""
        return shown.strftime(f"%a %Y-%m-%d %H:%M{seconds} %Z")
