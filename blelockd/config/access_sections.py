"""What stands below `access:`: people, locks, groups of either, and rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from blelockd.config.access_kinds import (
    LocalTime,
    Weekdays,
    first_moment,
    group_name,
    hours,
    last_moment,
    person,
)
from blelockd.config.bluetooth_kinds import lock_name
from blelockd.config.common import LONGEST_LIFETIME_SECONDS
from blelockd.config.errors import Conflict
from blelockd.config.kinds import ListOf, flag, one_of, or_off, whole
from blelockd.config.options import option, the_name
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.terms import MOST_PATH_LOSS_DB, MOST_USES
from blelockd.services.issuer.access import Limits
from blelockd.services.issuer.schedule import EVERY_DAY, Holidays, Window

_RSSI: Final = or_off(whole(-127, 0, "dBm"))
_PATH_LOSS: Final = or_off(whole(1, MOST_PATH_LOSS_DB, "dB"))
_LIFETIME: Final = or_off(whole(10, LONGEST_LIFETIME_SECONDS, "seconds"))


class Intent(StrEnum):
    """Whether it is enough to come by."""

    ANY = "any"
    REQUIRED = "required"


class Limiting(Protocol):
    """A section that has the limits."""

    @property
    def lifetime_seconds(self) -> int | None: ...

    @property
    def rssi_min_dbm(self) -> int | None: ...

    @property
    def path_loss_max_db(self) -> int | None: ...

    @property
    def intent(self) -> Intent: ...

    @property
    def challenge(self) -> bool: ...


def limits_of(section: Limiting) -> Limits:
    """As the policy has them."""
    return Limits(
        section.lifetime_seconds,
        section.rssi_min_dbm,
        section.path_loss_max_db,
        section.intent is Intent.REQUIRED,
        section.challenge,
    )


def lifetime_limit() -> int | None:
    """How long a session may live."""
    return option(
        None,
        _LIFETIME,
        "How long a session may live at most. Of the limits of person, lock and rule the strictest "
        "counts.",
        example="120",
    )


def rssi_limit() -> int | None:
    """How loud the guest must be."""
    return option(
        None,
        _RSSI,
        "How loud the lock must hear the guest at least; the lock itself may ask for more.",
        example="-68",
    )


def path_loss_limit() -> int | None:
    """How near the guest must be."""
    return option(
        None,
        _PATH_LOSS,
        "How much may be lost on the way from 1 m before the guest to the lock; the lock itself "
        "may allow less.",
        example="12",
    )


def intent_asked() -> Intent:
    """Whether the guest must mean it."""
    return option(
        Intent.ANY,
        one_of(Intent),
        "required: the door opens only to who asks for it there and then, `blelock-guest unlock`; "
        "a guest daemon that runs in a pocket does not open it. any: whoever comes near with a "
        "session.",
    )


def challenge_asked() -> bool:
    """Whether the guest must answer the lock."""
    return option(
        False,
        flag(),
        "true: the lock asks, and only tokens that answer it open: none that was made ahead does. "
        "The lock needs `challenge_seconds` in its lock.yaml, else such a session is refused; the "
        "guest opens by hand, `blelock-guest unlock`.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonConfig:
    """A person whom rules may name."""

    person: str = the_name()
    lifetime_seconds: int | None = lifetime_limit()
    rssi_min_dbm: int | None = rssi_limit()
    path_loss_max_db: int | None = path_loss_limit()
    intent: Intent = intent_asked()
    challenge: bool = challenge_asked()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockAccess:
    """A lock that rules may name."""

    lock_id: LockId = the_name()
    lifetime_seconds: int | None = lifetime_limit()
    rssi_min_dbm: int | None = rssi_limit()
    path_loss_max_db: int | None = path_loss_limit()
    intent: Intent = intent_asked()
    challenge: bool = challenge_asked()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupConfig:
    """People under one name."""

    group: str = the_name()
    people: tuple[str, ...] = option(
        (), ListOf(person(), 0, 1000, "a list of people"), "Who is in it.", example="[Ada, Bob]"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LockGroupConfig:
    """Locks under one name."""

    lock_group: str = the_name()
    locks: tuple[LockId, ...] = option(
        (),
        ListOf(lock_name(), 0, 1000, "a list of lock ids"),
        "Which are in it.",
        example="[front, back]",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleConfig:
    """One rule. All its conditions must hold at once."""

    rule: str = the_name()
    who: tuple[str, ...] = option(
        (),
        ListOf(person(), 0, 1000, "a list of people and groups, or [everyone]"),
        "Whom it is about: people and groups, or everyone.",
        refused=True,
        example="[Ada, family]",
    )
    locks: tuple[str, ...] = option(
        (),
        ListOf(group_name("a lock or lock group"), 0, 1000, "a list of locks and lock groups"),
        "Where: locks and lock groups, or everywhere.",
        refused=True,
        example="[front, outer]",
    )
    allow: bool = option(True, flag(), "false: whom it is about, and when, does not get in.")
    days: frozenset[int] = option(EVERY_DAY, Weekdays(), "On which days.", example="[mon-fri]")
    hours: tuple[Window, ...] = option(
        (),
        ListOf(hours(), 0, 8, "a list of up to 8 hours such as 08:00-12:30"),
        "At which hours of those days. Hours that go on past midnight belong to the day on which "
        "they begin. None: all day.",
        example="[08:00-12:30, 22:00-06:00]",
    )
    holidays: Holidays = option(
        Holidays.ANY,
        one_of(Holidays),
        "any: a holiday is a day like any other. except: not on holidays. only: on holidays alone.",
    )
    valid_from: LocalTime | None = option(
        None,
        or_off(first_moment()),
        "Not before. A date is its first minute.",
        example="2026-11-01",
    )
    valid_until: LocalTime | None = option(
        None, or_off(last_moment()), "Not after. A date counts to its end.", example="2026-11-30"
    )
    uses: int | None = option(
        None,
        or_off(whole(1, MOST_USES, "times")),
        "How often each person may open by this rule, at all its locks together. Off: as often as "
        "they like.",
        example="10",
    )
    lifetime_seconds: int | None = lifetime_limit()
    rssi_min_dbm: int | None = rssi_limit()
    path_loss_max_db: int | None = path_loss_limit()
    intent: Intent = intent_asked()
    challenge: bool = challenge_asked()

    def conflicts(self) -> Iterator[Conflict]:
        """It is about somebody and somewhere, and its dates are in order."""
        if not self.who:
            yield Conflict(("who",), "nobody", "people, groups or everyone")
        if not self.locks:
            yield Conflict(("locks",), "no lock", "locks, lock groups or everywhere")
        begins, ends = self.valid_from, self.valid_until
        if begins and ends and (begins.day, begins.minute) >= (ends.day, ends.minute):
            keys = ("valid_until", "valid_from")
            yield Conflict(keys, "not after valid_from", "a later date")

    def needs_zone(self) -> bool:
        """Whether it matters where the clock on the wall is."""
        usual = self.days == EVERY_DAY and not self.hours and self.holidays is Holidays.ANY
        return not usual or self.valid_from is not None or self.valid_until is not None
