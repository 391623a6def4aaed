"""blelock-lock: stands at a door."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from blelockd.adapters.keyring import LEK, LSK, Keyring
from blelockd.cli import frame
from blelockd.cli.calibrating.calibrate import calibrate
from blelockd.cli.cards import card, trust
from blelockd.cli.configuration import Role, check_config
from blelockd.cli.doctor import doctor
from blelockd.cli.exits import Exit
from blelockd.cli.frame import Command, say
from blelockd.cli.importing import THE_ISSUER, add_import_arguments, import_key
from blelockd.cli.keys import add_keys_directory, keygen, keys_directory, show_key
from blelockd.cli.running import run
from blelockd.cli.status import status
from blelockd.config import LockConfig
from blelockd.protocol.v2.cards import LockCard

ROLE: Final = Role("lock", LockConfig)


def _add_import_arguments(to: argparse.ArgumentParser) -> None:
    add_keys_directory(ROLE, to)
    add_import_arguments(to)


def _import_key(arguments: argparse.Namespace) -> int:
    directory = arguments.keys_directory
    destination = ROLE.load(arguments).issuer_key if directory is None else directory / "issuer.pub"
    import_key(arguments, THE_ISSUER, destination)
    say("next: `sudo systemctl restart blelock-lock`, which trusts this issuer from then on")
    return Exit.OK


def _card(arguments: argparse.Namespace) -> LockCard:
    keyring = Keyring(keys_directory(ROLE, arguments))
    lock_id = ROLE.load(arguments).lock_id
    return LockCard(lock_id, keyring.own(LEK).public_key, keyring.own(LSK).public_key)


COMMANDS: Final = (
    run(
        ROLE,
        "Take sessions from the issuer, listen for tokens, and open to each of them once. Where "
        "another one runs for the same door it gives up after 5 s, with exit status 75.",
    ),
    doctor(ROLE),
    status(ROLE),
    calibrate(ROLE),
    check_config(ROLE),
    keygen(
        ROLE,
        "next: take what `blelock-lock card` prints to the issuer: "
        "`blelock-issuer lock add CARD`;\n"
        "for version 1, take {public} there: `blelock-issuer import-key LOCK_ID FILE`",
    ),
    card(
        ROLE,
        "It names the lock as the configuration does. The issuer takes it, `blelock-issuer lock "
        "add CARD`, and asks for the end of that fingerprint.",
        _card,
    ),
    trust(
        ROLE, "next: `sudo systemctl restart blelock-lock`, which trusts this issuer from then on"
    ),
    show_key(ROLE),
    Command(
        name="import-key",
        summary="trust the issuer's public key, after confirming its fingerprint",
        about="Take the public key of the issuer. Whoever owns it can open this door: read the "
        "fingerprint on the issuer itself, `blelock-issuer show-key`.",
        example="sudo blelock-lock import-key ./issuer.pub",
        run=_import_key,
        add_arguments=_add_import_arguments,
    ),
)


def parser() -> argparse.ArgumentParser:
    """The parser of blelock-lock."""
    about = "Listens for tokens at a door, and opens it once to each."
    return frame.parser(ROLE.command, about, COMMANDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run blelock-lock; returns the exit status."""
    return frame.main(parser(), argv)
