"""blelock-issuer: hands out sessions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from blelockd.adapters.keyring import IEK, ISK, Keyring
from blelockd.cli import frame
from blelockd.cli.cards import card
from blelockd.cli.configuration import Role, check_config, lock_id
from blelockd.cli.confirming import Owner
from blelockd.cli.doctor import doctor
from blelockd.cli.exits import Exit
from blelockd.cli.frame import Command, say
from blelockd.cli.importing import add_import_arguments, import_key
from blelockd.cli.issuing.access import access
from blelockd.cli.issuing.auditing import audit
from blelockd.cli.issuing.broker_config import broker_config
from blelockd.cli.issuing.guests import guests
from blelockd.cli.issuing.keeping import backup, forget, restore
from blelockd.cli.issuing.locks import locks
from blelockd.cli.issuing.story import why
from blelockd.cli.keys import add_keys_directory, keygen, keys_directory, show_key
from blelockd.cli.running import run
from blelockd.cli.status import status
from blelockd.config import IssuerConfig
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.cards import IssuerCard

ROLE: Final = Role("issuer", IssuerConfig)


def _add_import_arguments(to: argparse.ArgumentParser) -> None:
    add_keys_directory(ROLE, to)
    to.add_argument("lock", metavar="LOCK_ID", type=lock_id, help="whose key it is")
    add_import_arguments(to)


def _import_key(arguments: argparse.Namespace) -> int:
    lock: LockId = arguments.lock
    owner, reload = Owner(str(lock), "blelock-lock"), "`sudo systemctl reload blelock-issuer`"
    if arguments.keys_directory is not None:
        import_key(arguments, owner, _usual(arguments.keys_directory, lock))
        say(f"next: see that `locks:` in issuer.yaml lists {lock}; then {reload}")
        return Exit.OK
    config = ROLE.load(arguments)
    known = config.lock(lock)
    import_key(arguments, owner, known.public_key if known else _usual(config.keys_directory, lock))
    if known is None:
        say(f"next: add `{lock}: {{}}` under `locks:` in {arguments.config}, then {reload}")
    else:
        say(f"next: {reload}")
    return Exit.OK


def _usual(directory: Path, lock: LockId) -> Path:
    return directory / "locks" / f"{lock}.pub"


def _card(arguments: argparse.Namespace) -> IssuerCard:
    keyring = Keyring(keys_directory(ROLE, arguments))
    return IssuerCard(keyring.own(ISK).public_key, keyring.own(IEK).public_key)


COMMANDS: Final = (
    run(
        ROLE,
        "Advertise, answer the guests' requests, and send each session to its lock. Where another "
        "one runs with the same state_directory it gives up after 5 s, with exit status 75.",
    ),
    doctor(ROLE),
    status(ROLE),
    check_config(ROLE),
    keygen(
        ROLE,
        "next: take what `blelock-issuer card` prints to each lock: `blelock-lock trust CARD`;\n"
        "for version 1, take {public} to locks and guests: `blelock-lock import-key FILE`\n"
        "or `blelock-guest import-key FILE`",
    ),
    card(
        ROLE,
        "Each lock takes it, `blelock-lock trust CARD`, and asks for the end of that fingerprint.",
        _card,
    ),
    show_key(ROLE),
    Command(
        name="import-key",
        summary="trust a lock's public key, after confirming its fingerprint",
        about="Take the public key of a lock. Sessions for that lock are sealed to it, so a wrong "
        "key would hand them to somebody else: read the fingerprint on the lock itself, "
        "`blelock-lock show-key`.",
        example="sudo blelock-issuer import-key lock_01 ./lock.pub",
        run=_import_key,
        add_arguments=_add_import_arguments,
    ),
    locks(ROLE),
    guests(ROLE),
    access(ROLE),
    audit(ROLE),
    why(ROLE),
    forget(ROLE),
    backup(ROLE),
    restore(ROLE),
    broker_config(ROLE),
)


def parser() -> argparse.ArgumentParser:
    """The parser of blelock-issuer."""
    about = "Hands out sessions to guests over Bluetooth, and seals them for the locks."
    return frame.parser(ROLE.command, about, COMMANDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run blelock-issuer; returns the exit status."""
    return frame.main(parser(), argv)
