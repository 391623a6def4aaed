"""`lock add`, `list` and `remove`: the locks that sessions are issued for, by protocol v2."""

from __future__ import annotations

import argparse

from blelockd.cli.cards import add_card_arguments, read_card
from blelockd.cli.configuration import Role, lock_id
from blelockd.cli.confirming import Owner, confirm, nothing_imported
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, Group, say
from blelockd.cli.issuing.completion import locks_known
from blelockd.cli.issuing.store import now, opened, pending_numbers, shown, wait_for_locks
from blelockd.cli.issuing.tables import table
from blelockd.config import IssuerConfig
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.cards import LockCard

_THE_LOCK = Owner("the lock", "blelock-lock", "card", "card")


def locks(role: Role[IssuerConfig]) -> Group:
    """The verbs about locks."""
    return Group(
        name="lock",
        summary="know, list and forget locks",
        about="The locks that this issuer knows. A running blelock-issuer takes changes at once.",
        commands=(_add(role), _list(role), _remove(role)),
    )


def _add(role: Role[IssuerConfig]) -> Command:
    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        add_card_arguments(to)

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        with nothing_imported():
            card = read_card(arguments.card, _THE_LOCK, LockCard.parse)
            say(f"the card of lock {card.lock_id}")
            confirm(str(card.fingerprint()), _THE_LOCK, arguments.fingerprint)
        with opened(config) as store:
            known = store.locks.get(card.lock_id)
            if known is not None and known.removed is None and known.card != card:
                _refuse_another(card.lock_id, replace=arguments.replace)
            added = store.locks.add(card, now())
        say(f"{'added' if added else 'there already:'} lock {card.lock_id}")
        say("next: on the lock, `blelock-lock trust CARD` with what `blelock-issuer card` prints")
        return Exit.OK

    return Command(
        name="add",
        summary="know a lock, after confirming its card's fingerprint",
        about="Take the card of a lock, which names it. Sessions for that lock are sealed to the "
        "keys in it, so a wrong card would hand them to somebody else: read the fingerprint on the "
        "lock itself, `blelock-lock card`.",
        example=f"sudo {role.command} lock add ./lock.card",
        run=run,
        add_arguments=add_arguments,
    )


def _refuse_another(lock: LockId, *, replace: bool) -> None:
    if not replace:
        remedy = "if that lock has new keys, say --replace: what the old ones can open ends"
        raise Failure(f"lock {lock} has another card", remedy, Exit.CANNOT_CREATE)


def _list(role: Role[IssuerConfig]) -> Command:
    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        calendar = config.access.policy().calendar
        with opened(config) as store:
            known, pending = store.locks.all(), store.sessions.pending()
            if not known:
                say("no locks; next: `blelock-issuer lock add CARD`")
                return Exit.OK
            rows = [
                (
                    str(lock.lock_id),
                    str(lock.card.fingerprint()),
                    shown(lock.added, calendar),
                    "yes" if store.locks.epoch(lock.lock_id) else "never",
                    str(sum(one.lock_id == lock.lock_id for one in pending) or "-"),
                )
                for lock in known
            ]
        say(table(("lock", "card", "added", "heard", "pending"), rows))
        return Exit.OK

    return Command(
        name="list",
        summary="list the locks",
        about="List the locks with the fingerprints of their cards, whether they were ever heard, "
        "and how many revocations they have not acknowledged yet.",
        example=f"sudo {role.command} lock list",
        run=run,
        add_arguments=role.add_config,
    )


def _remove(role: Role[IssuerConfig]) -> Command:
    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        locks_known(
            role, to.add_argument("lock", metavar="LOCK_ID", type=lock_id, help="which lock")
        )

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        with opened(config) as store:
            before = pending_numbers(store)
            store.locks.remove(arguments.lock, now())
            say(f"removed lock {arguments.lock}; no session is issued for it from now on")
            wait_for_locks(store, before, config.access.policy().calendar)
        return Exit.OK

    return Command(
        name="remove",
        summary="forget a lock, and end its sessions",
        about="Issue no session for LOCK_ID any more, and tell the lock to forget those it has. "
        "Waits up to 2 s for its acknowledgement; what is not acknowledged is told again when the "
        "lock comes back. Limited uses count as used where the lock has not told that their "
        "session is over.",
        example=f"sudo {role.command} lock remove lock_01",
        run=run,
        add_arguments=add_arguments,
    )
