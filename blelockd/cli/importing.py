"""`import-key`: another's public key of version 1."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from blelockd.adapters.keyring import KeyFileError, KeyFileExists, import_public, public_from
from blelockd.cli.confirming import (
    Owner,
    add_confirm_arguments,
    confirm,
    nothing_imported,
    read_from,
)
from blelockd.cli.exits import Exit, Failure, naming
from blelockd.cli.frame import say
from blelockd.protocol.keys import PublicKey

THE_ISSUER: Final = Owner("the issuer", "blelock-issuer")


def add_import_arguments(to: argparse.ArgumentParser) -> None:
    """Add FILE, --fingerprint and --replace."""
    to.add_argument("file", metavar="FILE", help="the public key, PEM; - for standard input")
    add_confirm_arguments(to)


def import_key(arguments: argparse.Namespace, owner: Owner, destination: Path) -> bool:
    """Put the key in FILE at `destination` once it is confirmed to be the owner's.

    False when that very key was there already. Raises Failure, KeyFileError.
    """
    with nothing_imported():
        key = _key(arguments.file, owner)
        confirm(key.fingerprint(), owner, arguments.fingerprint)
    try:
        imported = import_public(key, destination, replace=arguments.replace)
    except KeyFileExists as error:
        remedy = "if that one is no longer right, say --replace"
        raise Failure(f"{error.path}: {error.problem}", remedy, Exit.CANNOT_CREATE) from error
    done = "imported" if imported else "there already:"
    say(f"{done} {destination}, RSA-{key.bits}, fingerprint {key.fingerprint()}")
    return imported


def _key(source: str, owner: Owner) -> PublicKey:
    pem = read_from(source, owner)
    try:
        return public_from(Path(source), pem)
    except KeyFileError as error:
        remedy = naming(owner.command, error.remedy, "show-key")
        raise Failure(f"{error.path}: {error.problem}", remedy, Exit.DATA) from error
