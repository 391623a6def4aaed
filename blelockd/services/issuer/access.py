"""Who may open which lock when: the only code that says yes or no to an enrolled guest.

Pure: policy, question and instant go in, a decision comes out. The first rule that matches decides;
where none does, the guest's own grant from its invite; else the answer is no.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.answer import RefusalCode
from blelockd.services.issuer.schedule import ALWAYS, Calendar, When

LONGEST_NAME_BYTES: Final = 64
BY_GRANT: Final = ""
"""In place of a rule's name: the guest's own grant has decided."""

_MINUTE_MS: Final = 60 * MS_PER_SECOND
_LOOK_AHEAD_SECONDS: Final = 3600


def person_name(text: str) -> str:
    """A person's name in the one form in which it is compared; raises Malformed."""
    name = unicodedata.normalize("NFC", text)
    if (
        not name
        or not name.isprintable()
        or name != name.strip()
        or len(name.encode("utf-8", "replace")) > LONGEST_NAME_BYTES
    ):
        raise Malformed(
            f"a person's name is 1 to {LONGEST_NAME_BYTES} printable bytes, no blanks around it"
        )
    return name


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may be at most; None is no limit of its own."""

    lifetime_seconds: int | None = None
    rssi_min_dbm: int | None = None
    path_loss_max_db: int | None = None
    intent_required: bool = False
    challenge_mode: bool = False

    def with_(self, other: Limits) -> Limits:
        """The stricter of both in each."""
        return Limits(
            _least(self.lifetime_seconds, other.lifetime_seconds),
            _most(self.rssi_min_dbm, other.rssi_min_dbm),
            _least(self.path_loss_max_db, other.path_loss_max_db),
            self.intent_required or other.intent_required,
            self.challenge_mode or other.challenge_mode,
        )


def _least(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `people` and `locks` of None are all of them; `uses` of 0 is no limit.

    `uses` is how often one person may open by this rule, at all its locks together.
    """

    name: str
    people: frozenset[str] | None = None
    locks: frozenset[LockId] | None = None
    allow: bool = True
    when: When = ALWAYS
    uses: int = 0
    limits: Limits = NO_LIMITS

    def names(self, person: str, lock_id: LockId) -> bool:
        """Whether it is about that person at that lock."""
        return (self.people is None or person in self.people) and (
            self.locks is None or lock_id in self.locks
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What a guest's own invite has given. `locks` of None are all, `uses` of 0 is no limit."""

    locks: frozenset[LockId] | None
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    uses: int = 0
    lifetime_seconds: int | None = None

    def names(self, lock_id: LockId) -> bool:
        """Whether it is for that lock."""
        return self.locks is None or lock_id in self.locks

    def holds(self, at: Instant) -> bool:
        """Whether it is now."""
        return (self.valid_from is None or at >= self.valid_from) and (
            self.valid_until is None or at < self.valid_until
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """All that issuer.yaml says of access, groups resolved."""

    rules: tuple[Rule, ...] = ()
    calendar: Calendar = field(default_factory=Calendar)
    people: Mapping[str, Limits] = field(default_factory=dict)
    locks: Mapping[LockId, Limits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """May this person open this lock at `at`, in a session of `lifetime_seconds`?

    `uses` is how often the person has opened so far, by the name of the rule (BY_GRANT: by the
    grant). `grant` is what the person's invite has given, if anything.
    """

    person: str
    lock_id: LockId
    at: Instant
    lifetime_seconds: int
    grant: Grant | None = None
    uses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes, by that rule, until then at most. `uses_left` of 0 is no limit."""

    rule: str
    not_after: Instant
    uses_left: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Denied:
    """No, by that rule; None where neither a rule nor a grant says anything."""

    rule: str | None
    code: RefusalCode
    retry_seconds: int


Decision = Allowed | Denied


def decide(policy: Policy, ask: Ask) -> Decision:
    """The decision; the same question has the same answer."""
    return _Question(policy, ask).decision()


class _Question:
    def __init__(self, policy: Policy, ask: Ask) -> None:
        self._ask = ask
        self._calendar = policy.calendar
        self._rules = [rule for rule in policy.rules if rule.names(ask.person, ask.lock_id)]
        grant = ask.grant
        self._grant = grant if grant is not None and grant.names(ask.lock_id) else None
        person = policy.people.get(ask.person, NO_LIMITS)
        self._limits = person.with_(policy.locks.get(ask.lock_id, NO_LIMITS))

    def decision(self) -> Decision:
        decider = self._decider(self._ask.at)
        if decider is None or (isinstance(decider, Rule) and not decider.allow):
            return self._denied(decider)
        name = decider.name if isinstance(decider, Rule) else BY_GRANT
        used = self._ask.uses.get(name, 0)
        if 0 < decider.uses <= used:
            return Denied(name, RefusalCode.USES_SPENT, _LOOK_AHEAD_SECONDS)
        own = decider.limits if isinstance(decider, Rule) else Limits(decider.lifetime_seconds)
        limits = self._limits.with_(own)
        not_after = self._end(decider, limits)
        return Allowed(name, not_after, decider.uses and decider.uses - used, limits)

    def _decider(self, at: Instant) -> Rule | Grant | None:
        """What decides then: the first rule that holds, else the grant."""
        moment = self._calendar.moment(at)
        for rule in self._rules:
            if rule.when.holds(moment, self._calendar):
                return rule
        return self._grant if self._grant is not None and self._grant.holds(at) else None

    def _end(self, decider: Rule | Grant, limits: Limits) -> Instant:
        """When the session must end: its life is over, or something else decides."""
        at = self._ask.at
        seconds = _least(self._ask.lifetime_seconds, limits.lifetime_seconds) or 0
        end = Instant(at + seconds * MS_PER_SECOND)
        if isinstance(decider, Grant) and decider.valid_until is not None:
            end = min(end, decider.valid_until)
        changed = (then for then in _minutes(at, end) if self._decider(then) is not decider)
        return next(changed, end)

    def _denied(self, by: Rule | None) -> Denied:
        name = None if by is None else by.name
        never = by is not None and by.when == ALWAYS
        if never or (self._grant is None and not any(rule.allow for rule in self._rules)):
            return Denied(name, RefusalCode.NOT_ALLOWED, _LOOK_AHEAD_SECONDS)
        at = self._ask.at
        horizon = Instant(at + _LOOK_AHEAD_SECONDS * MS_PER_SECOND)
        better = (then for then in _minutes(at, horizon) if self._would_allow(then))
        retry_ms = next(better, horizon) - at
        return Denied(name, RefusalCode.OUTSIDE_SCHEDULE, -(-retry_ms // MS_PER_SECOND))

    def _would_allow(self, at: Instant) -> bool:
        decider = self._decider(at)
        return decider.allow if isinstance(decider, Rule) else decider is not None


def _minutes(after: Instant, before: Instant) -> Iterator[Instant]:
    """The full minutes in between: clocks, zones and rules change at no other time."""
    first = after // _MINUTE_MS + 1
    return (Instant(minute * _MINUTE_MS) for minute in range(first, -(-before // _MINUTE_MS)))
