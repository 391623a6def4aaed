"""`card` and `trust`: who this machine is, for another's operator, and whom it believes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final, TypeVar

from blelockd.adapters.keyring import ISSUER_CARD, KeyFileExists, pin_issuer_card
from blelockd.cli.configuration import C, Role
from blelockd.cli.confirming import (
    Owner,
    add_confirm_arguments,
    confirm,
    nothing_imported,
    read_from,
)
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.keys import add_keys_directory, keys_directory
from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.cards import IssuerCard, LockCard

THE_ISSUER: Final = Owner("the issuer", "blelock-issuer", "card", "card")

Card = TypeVar("Card", IssuerCard, LockCard)


def card(role: Role[C], about: str, own: Callable[[argparse.Namespace], Card]) -> Command:
    """The verb that shows the card which `own` makes of this machine's keys."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_keys_directory(role, to)
        to.add_argument("--fingerprint", action="store_true", help="print the fingerprint alone")

    def run(arguments: argparse.Namespace) -> int:
        shown = own(arguments)
        if arguments.fingerprint:
            print(shown.fingerprint())
            return Exit.OK
        sys.stdout.write(shown.text())
        sys.stdout.flush()
        print(f"fingerprint {shown.fingerprint()}", file=sys.stderr)
        return Exit.OK

    return Command(
        name="card",
        summary="show this machine's card and its fingerprint",
        about=f"Print this {role.name}'s card, its public keys of version 2, to standard output, "
        f"and the card's fingerprint to standard error. A card is no secret. {about}",
        example=f"sudo {role.command} card > {role.name}.card",
        run=run,
        add_arguments=add_arguments,
    )


def add_card_arguments(to: argparse.ArgumentParser) -> None:
    """Add CARD, --fingerprint and --replace."""
    to.add_argument("card", metavar="CARD", help="the file of the card; - for standard input")
    add_confirm_arguments(to)


def read_card(source: str, owner: Owner, parse: Callable[[str], Card]) -> Card:
    """The card in the file `source`, unconfirmed; raises Failure."""
    text = read_from(source, owner).decode("ascii", "replace")
    try:
        return parse(text)
    except Malformed as error:
        problem, remedy = error.reason, f"take what `{owner.command} {owner.verb}` prints"
        if "PRIVATE KEY" in text:
            problem = "this is a private key, which never leaves its machine"
        raise Failure(f"{source}: {problem}", remedy, Exit.DATA) from error


def trust(role: Role[C], next_step: str) -> Command:
    """The verb that pins the issuer's card."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_keys_directory(role, to)
        add_card_arguments(to)

    def run(arguments: argparse.Namespace) -> int:
        destination = keys_directory(role, arguments) / ISSUER_CARD
        with nothing_imported():
            issuer = read_card(arguments.card, THE_ISSUER, IssuerCard.parse)
            confirm(str(issuer.fingerprint()), THE_ISSUER, arguments.fingerprint)
        try:
            pinned = pin_issuer_card(issuer, destination, replace=arguments.replace)
        except KeyFileExists as error:
            remedy = "if that issuer is no longer the right one, say --replace"
            problem = f"{error.path}: another issuer is trusted already, and stays"
            raise Failure(problem, remedy, Exit.CANNOT_CREATE) from error
        say(f"{'trusted:' if pinned else 'there already:'} {destination}")
        say(next_step)
        return Exit.OK

    return Command(
        name="trust",
        summary="trust an issuer, after confirming its card's fingerprint",
        about="Take the card of the issuer. Whoever owns its keys can open this door: read the "
        "fingerprint on the issuer itself, `blelock-issuer card`.",
        example=f"sudo {role.command} trust ./issuer.card",
        run=run,
        add_arguments=add_arguments,
    )
