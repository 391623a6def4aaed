"""`forget`, `backup` and `restore`: what the issuer keeps of people, and where else it is kept."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path

from blelockd.adapters.handing_over import put
from blelockd.adapters.owner import acting_as_owner_of
from blelockd.adapters.store import NoBackup, Store
from blelockd.cli.configuration import Role, person
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.issuing.audit_words import when
from blelockd.cli.issuing.auditing import issuer_key, not_as_written
from blelockd.cli.issuing.completion import people_known
from blelockd.cli.issuing.store import (
    STORE_FILE,
    now,
    opened,
    pending_numbers,
    store_errors_told,
    wait_for_locks,
)
from blelockd.config import IssuerConfig
from blelockd.services.issuer.audit_check import Broken


def forget(role: Role[IssuerConfig]) -> Command:
    """The verb that lets go of a person's name."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        known = to.add_argument("person", metavar="PERSON", type=person, help="whom to forget")
        people_known(role, known)

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        with opened(config) as store:
            before = pending_numbers(store)
            reference = store.audit.forget(arguments.person, now())
            wait_for_locks(store, before, config.access.policy().calendar)
        say(f"forgotten: in the audit there is forgotten-{reference.hex()[:8]} in that place")
        say("the name may still stand in issuer.yaml, in the journal and in backups")
        return Exit.OK

    return Command(
        name="forget",
        summary="forget a person; what was decided stays, without the name",
        about="Remove all devices of PERSON and end their sessions, and erase the name from what "
        "the issuer keeps. The audit keeps what was decided, under a mark that nobody can trace "
        "back to the name, and can still be verified. This cannot be undone.",
        example=f"sudo {role.command} forget Ada",
        run=run,
        add_arguments=add_arguments,
    )


def backup(role: Role[IssuerConfig]) -> Command:
    """The verb that makes a copy of the store."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument("file", metavar="FILE", type=Path, help="where to put it")
        to.add_argument("--replace", action="store_true", help="put it in place of what is there")

    def run(arguments: argparse.Namespace) -> int:
        head = _back_up(role.load(arguments), arguments.file, replace=arguments.replace)
        say(f"{arguments.file}: checked, and on the disk\nhead {head}")
        return Exit.OK

    return Command(
        name="backup",
        summary="copy what the issuer keeps into a file, while it runs",
        about="Copy locks, guests and the audit into FILE, readable for its owner alone; a running "
        "blelock-issuer is not disturbed. The copy is verified first. No key of a session or an "
        "invite is in it, nor the issuer's own keys: back up the keys' directory as well.",
        example=f"sudo {role.command} backup /srv/backup/issuer.db",
        run=run,
        add_arguments=add_arguments,
    )


def _back_up(config: IssuerConfig, to: Path, *, replace: bool) -> str:
    directory = config.state_directory
    if not (directory / STORE_FILE).exists():
        problem = f"{directory / STORE_FILE}: there is nothing to back up"
        raise Failure(problem, "run this as root, where the issuer runs", Exit.NO_INPUT)
    if not replace and os.path.lexists(to):
        problem = f"{to}: there is a file already, and it stays"
        raise Failure(problem, "give another name, or say --replace", Exit.CANNOT_CREATE)
    with ExitStack() as stack, store_errors_told():
        try:
            with acting_as_owner_of(directory):
                store = Store(directory)
                stack.callback(store.close)
                copy, verified = stack.enter_context(store.back_up())
                source = stack.enter_context(copy.open("rb"))
        except Broken as broken:
            raise not_as_written(broken) from broken
        try:
            put(source, to, replace=replace)
        except OSError as error:
            problem = f"{to}: {os.strerror(error.errno or 0).lower()}"
            raise Failure(problem, "name a place where there is room", Exit.IO) from error
    return str(verified.head)


def restore(role: Role[IssuerConfig]) -> Command:
    """The verb that puts a backup in place."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument("file", metavar="FILE", type=Path, help="what `backup` has made")

    def run(arguments: argparse.Namespace) -> int:
        return _restore(role.load(arguments), arguments.file)

    return Command(
        name="restore",
        summary="put a backup in place of what the issuer keeps",
        about="Verify FILE and put it in place of what the issuer keeps, which stays beside it as "
        "issuer.db.before-restore. blelock-issuer must not run meanwhile. All sessions are "
        "revoked; what was decided after the backup is not known any more: suspend and remove "
        "again whom you suspended and removed since. Uses since then are not known either: who may "
        "open so many times only could do so once more. Remove and invite anew, with the uses that "
        "are left, whoever has a limit from an invite; leave out of a rule with `uses` whoever has "
        "spent them.",
        example=f"sudo systemctl stop blelock-issuer\nsudo {role.command} restore "
        "/srv/backup/issuer.db\nsudo systemctl start blelock-issuer",
        run=run,
        add_arguments=add_arguments,
    )


def _restore(config: IssuerConfig, file: Path) -> int:
    issuer = issuer_key(config)  # this and the backup before root becomes another user
    try:
        source = file.open("rb")
    except OSError as error:
        problem = f"{file}: {os.strerror(error.errno or 0).lower()}"
        raise Failure(problem, "name a file that `backup` has made", Exit.NO_INPUT) from error
    with source, opened(config) as store:
        try:
            restored = store.restore(source, issuer, now())
        except NoBackup as no:
            remedy = "name another backup; nothing was changed"
            raise Failure(f"{file}: {no.reason}", remedy, Exit.DATA) from no
        except Broken as broken:
            remedy = "name another backup; nothing was changed"
            problem = f"{file}: its audit was changed: {broken.reason}"
            raise Failure(problem, remedy, Exit.DATA) from broken
    last = when(restored.last, config.access.policy().calendar)
    say(f"restored: what was decided until {last}, event {restored.verified.head.event_id}")
    for note in restored.verified.notes:
        say(f"note: {note}")
    say("all sessions are revoked; next: `systemctl start blelock-issuer`, and suspend or remove")
    say("again whom you suspended or removed since")
    say("uses since then are not counted; before you start it see to who has limited ones, as")
    say("`restore --help` says")
    return Exit.OK
