"""The issuer's store, as the verbs that change it find it: opened as its owner, errors in words."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from blelockd.adapters.clock import SystemClock
from blelockd.adapters.owner import acting_as_owner_of, become_owner_of
from blelockd.adapters.store import Store
from blelockd.adapters.store.database import FILE as STORE_FILE
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import say
from blelockd.config import IssuerConfig
from blelockd.protocol.ids import GuestId, LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.records import NotKept, PendingRevocation, StoreDamaged, StoreFailed
from blelockd.services.issuer.schedule import Calendar

__all__ = ["STORE_FILE"]

_USER: Final = "blelock-issuer"
_PATIENCE_SECONDS: Final = 2.0
_LOOK_EVERY_SECONDS: Final = 0.1


@contextmanager
def opened(config: IssuerConfig) -> Iterator[Store]:
    """The store; as root, this process is its owner's from then on. Raises Failure."""
    directory = config.state_directory
    try:
        become_owner_of(directory, _USER)
    except OSError as error:
        problem = f"{directory}: {os.strerror(error.errno or 0).lower()}"
        raise Failure(problem, "run this as root", Exit.NO_PERMISSION) from error
    if not os.access(directory, os.W_OK | os.X_OK) and directory.exists():
        raise Failure(f"{directory}: not yours to use", "run this as root", Exit.NO_PERMISSION)
    store = Store(directory)
    with store_errors_told():
        try:
            yield store
        finally:
            store.close()


def locks_kept(config: IssuerConfig) -> list[LockId]:
    """The locks in the store, if there is one; this process stays who it is. Raises Failure."""
    directory = config.state_directory
    try:
        if not (directory / STORE_FILE).exists():
            return []
        with acting_as_owner_of(directory), store_errors_told():
            store = Store(directory)
            try:
                return [lock.lock_id for lock in store.locks.all()]
            finally:
                store.close()
    except OSError as error:
        problem = f"{directory}: {os.strerror(error.errno or 0).lower()}"
        raise Failure(problem, "run this as root", Exit.NO_PERMISSION) from error


@contextmanager
def store_errors_told() -> Iterator[None]:
    """What the store says no to, as Failure."""
    try:
        yield
    except NotKept as error:
        raise Failure(error.reason, "nothing was changed", Exit.DATA) from error
    except StoreFailed as error:
        status = Exit.DATA if isinstance(error, StoreDamaged) else Exit.IO
        raise Failure(error.problem, error.remedy, status) from error


def now() -> Instant:
    """This moment."""
    return SystemClock().now()


def shown(at: Instant, calendar: Calendar) -> str:
    """An instant by the clock on the wall, with its zone."""
    moment = datetime.fromtimestamp(at / MS_PER_SECOND, calendar.zone)
    return moment.strftime("%a %Y-%m-%d %H:%M %Z")


def granted(grant: Grant, calendar: Calendar) -> str:
    """What an invite gives, in words."""
    locks = "every lock" if grant.locks is None else ", ".join(sorted(map(str, grant.locks)))
    parts = [locks or "no lock"]
    if grant.valid_from is not None:
        parts.append(f"from {shown(grant.valid_from, calendar)}")
    if grant.valid_until is not None:
        parts.append(f"until {shown(grant.valid_until, calendar)}")
    if grant.uses:
        parts.append(f"{grant.uses} times in all")
    if grant.lifetime_seconds is not None:
        parts.append(f"for {grant.lifetime_seconds} s at a time")
    return ", ".join(parts)


# --- revocations -------------------------------------------------------------------------------


def wait_for_locks(store: Store, known: set[int], calendar: Calendar) -> None:
    """Tell which locks acknowledge, within 2 s, the revocations that are not in `known`."""
    waiting = {one.number: one for one in store.sessions.pending() if one.number not in known}
    if not waiting:
        say("no lock has a session that must be ended")
        return
    until = time.monotonic() + _PATIENCE_SECONDS
    while waiting and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_SECONDS)
        left = {one.number for one in store.sessions.pending()}
        for number in waiting.keys() - left:
            say(f"{waiting.pop(number).lock_id}: acknowledged")
    for revocation in waiting.values():
        say(not_yet(revocation, calendar))


def not_yet(revocation: PendingRevocation, calendar: Calendar) -> str:
    """What is to be known of a revocation that its lock has not acknowledged."""
    return (
        f"{revocation.lock_id}: not acknowledged yet; the issuer tells it again as soon as it is "
        f"there,\n  and what it has ends by itself {shown(revocation.until, calendar)}"
    )


def pending_numbers(store: Store) -> set[int]:
    """The revocations that are pending now."""
    return {one.number for one in store.sessions.pending()}


def counted(times: int) -> str:
    """How often, in words."""
    return "once" if times == 1 else f"{times} times"


def short(guest_id: GuestId) -> str:
    """The beginning of a guest's id, enough for people to tell devices apart."""
    return str(guest_id)[:8]
