"""`keygen` and `show-key`: the machine's own key, made once and shown to whoever asks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from blelockd.adapters.keyring import (
    DEFAULT_BITS,
    GSK,
    IEK,
    ISK,
    LEK,
    LSK,
    KeyFileExists,
    Keyring,
    OwnKey,
    generate,
    publish,
)
from blelockd.cli.configuration import C, Role
from blelockd.cli.exits import Exit
from blelockd.cli.frame import Command, printable, say
from blelockd.protocol.keys import PublicKey

_LENGTHS: Final = (2048, 3072, 4096)
OWN_KEYS: Final[dict[str, tuple[OwnKey[object], ...]]] = {
    "issuer": (ISK, IEK),
    "lock": (LEK, LSK),
    "guest": (GSK,),
}
"""Each role's own keys of version 2."""


def add_keys_directory(role: Role[C], to: argparse.ArgumentParser) -> None:
    """Add --config, and --keys-directory in place of what stands there."""
    role.add_config(to)
    to.add_argument(
        "--keys-directory",
        metavar="DIR",
        type=Path,
        help="where the keys are, in place of what the configuration says",
    )


def keys_directory(role: Role[C], arguments: argparse.Namespace) -> Path:
    """The directory of the keys; raises ConfigErrors."""
    given: Path | None = arguments.keys_directory
    return role.load(arguments).keys_directory if given is None else given


def keygen(role: Role[C], next_step: str) -> Command:
    """The verb that makes the role's own key."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_keys_directory(role, to)
        to.add_argument(
            "--bits",
            type=int,
            choices=_LENGTHS,
            default=DEFAULT_BITS,
            help="length of the RSA key of version 1 (default: %(default)s)",
        )

    def run(arguments: argparse.Namespace) -> int:
        directory = keys_directory(role, arguments)
        for own in OWN_KEYS[role.name]:
            say(f"{_made_or_kept(own, directory)} {directory / own.file}: {own.what}")
        path = directory / f"{role.name}.pem"
        key, done = _v1_made_or_kept(path, arguments.bits)
        say(f"{done} {path}: RSA-{key.bits}, fingerprint {key.fingerprint()}")
        say(next_step.format(public=path.with_suffix(".pub")))
        return Exit.OK

    return Command(
        name="keygen",
        summary="make this machine's own keys, those that are not there yet",
        about=f"Make the {role.name}'s own keys, readable for root alone: those of version 2, a "
        "key for each use, and the RSA key of version 1 with its public half beside it. A key that "
        "is there is kept: running this twice does no harm.",
        example=f"sudo {role.command} keygen",
        run=run,
        add_arguments=add_arguments,
    )


def _made_or_kept(key: OwnKey[object], directory: Path) -> str:
    try:
        key.make(directory)
    except KeyFileExists:
        key.read(directory)  # one that is no good is told now, not when the daemon starts
        return "kept"
    return "made"


def _v1_made_or_kept(path: Path, bits: int) -> tuple[PublicKey, str]:
    try:
        return generate(path, bits), "made"
    except KeyFileExists:
        key = Keyring(path.parent).private(path.name).public_key
    try:
        publish(path, key)
    except KeyFileExists as error:  # its owner is somebody whom a role on this machine trusts
        note = f"note: {error.path} is another's key and stays as it is"
        print(printable(note), file=sys.stderr)
    return key, "kept"


def show_key(role: Role[C]) -> Command:
    """The verb that shows the public half of the role's own key."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_keys_directory(role, to)
        to.add_argument("--fingerprint", action="store_true", help="print the fingerprint alone")

    def run(arguments: argparse.Namespace) -> int:
        keyring = Keyring(keys_directory(role, arguments))
        key = keyring.private(f"{role.name}.pem").public_key
        if arguments.fingerprint:
            print(key.fingerprint())
            return Exit.OK
        sys.stdout.write(key.pem().decode("ascii"))
        sys.stdout.flush()
        print(f"fingerprint {key.fingerprint()}", file=sys.stderr)
        return Exit.OK

    return Command(
        name="show-key",
        summary="show the public key and its fingerprint",
        about="Print the public half of this machine's key, which is no secret, to standard "
        "output, and its fingerprint to standard error. Who imports the key asks for the end of "
        "that fingerprint.",
        example=f"sudo {role.command} show-key > {role.name}.pub",
        run=run,
        add_arguments=add_arguments,
    )
