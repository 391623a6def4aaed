"""blelock-guest: opens doors."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import platform
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from blelockd.cli import frame
from blelockd.cli.configuration import Role, check_config, lock_id
from blelockd.cli.doctor import doctor
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.importing import THE_ISSUER, add_import_arguments, import_key
from blelockd.cli.keys import add_keys_directory, keygen, show_key
from blelockd.cli.running import run
from blelockd.cli.status import status
from blelockd.config import GuestConfig
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.invites import Invite, InviteSecret

ROLE: Final = Role("guest", GuestConfig)
_LONGEST_CODE: Final = 1024


def _add_import_arguments(to: argparse.ArgumentParser) -> None:
    add_keys_directory(ROLE, to)
    add_import_arguments(to)


def _import_key(arguments: argparse.Namespace) -> int:
    restart = "`sudo systemctl restart blelock-guest`"
    if arguments.keys_directory is not None:
        import_key(arguments, THE_ISSUER, arguments.keys_directory / "issuer.pub")
        say(f"next: see that `issuer.public_key` in guest.yaml names it; then {restart}")
        return Exit.OK
    config = ROLE.load(arguments)
    pinned = config.issuer.public_key
    import_key(arguments, THE_ISSUER, pinned or config.keys_directory / "issuer.pub")
    if pinned is None:
        say(f"next: set `public_key: issuer.pub` under `issuer:` in {arguments.config},")
        say(f"then {restart}")
    else:
        say(f"next: {restart}; `blelock-guest unlock` heeds it at once")
    return Exit.OK


def _add_enrol_arguments(to: argparse.ArgumentParser) -> None:
    add_keys_directory(ROLE, to)
    to.add_argument(
        "code",
        metavar="CODE",
        nargs="?",
        help="the invite: 16 characters as shown, or the text of its QR code; asked for where it "
        "is not given, which keeps it out of the shell's history",
    )
    to.add_argument(
        "--label",
        default=platform.node(),
        help="what people shall call this device (default: the host's name)",
    )
    to.add_argument("--replace", action="store_true", help="trust that issuer in place of another")


def _enrol(arguments: argparse.Namespace) -> int:
    code = _invite(arguments)
    config = ROLE.load(arguments)
    if arguments.keys_directory is not None:
        config = dataclasses.replace(config, keys_directory=arguments.keys_directory)
    say(asyncio.run(_enrolling(config, code, arguments)))
    if config.compat_v1:
        say(f"next: set `compat_v1: false` in {arguments.config}, to use it")
    else:
        say("next: `sudo blelock-guest unlock LOCK_ID`")
    return Exit.OK


def _invite(arguments: argparse.Namespace) -> Invite | InviteSecret:
    from blelockd.services.guest.enrolment import invite_in

    text = arguments.code
    if text is None:
        if sys.stdin.isatty():
            print("The invite's code: ", end="", flush=True)
        text = sys.stdin.readline(_LONGEST_CODE).strip()
    try:
        return invite_in(text)
    except Malformed as error:
        remedy = "take it from the issuer as it is shown: `blelock-issuer guest invite`"
        raise Failure(error.reason, remedy, Exit.DATA) from error


async def _enrolling(
    config: GuestConfig, code: Invite | InviteSecret, arguments: argparse.Namespace
) -> str:
    from blelockd.cli.advice import Attempt, not_enrolled
    from blelockd.roles.enrol import enrol
    from blelockd.services.guest.enrolment import label_in
    from blelockd.services.guest.provisioning import ProvisioningFailed

    label = label_in(arguments.label)
    try:
        card = await enrol(config, code, label=label, replace=arguments.replace, tell=_teller())
    except ProvisioningFailed as error:
        raise not_enrolled(error, Attempt(config, arguments.config)) from error
    return f"enrolled with the issuer whose card has the fingerprint {card.fingerprint()}"


def _add_unlock_arguments(to: argparse.ArgumentParser) -> None:
    ROLE.add_config(to)
    to.add_argument("lock", metavar="LOCK_ID", type=lock_id, help="the lock to open")
    to.add_argument(
        "--seconds",
        type=_seconds,
        default=30.0,
        help="how long to show tokens (default: %(default)g)",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError("a number of seconds, more than 0, at most 86400")
    return seconds


def _unlock(arguments: argparse.Namespace) -> int:
    config = ROLE.load(arguments)
    say(asyncio.run(_unlocking(config, arguments)))
    return Exit.OK


async def _unlocking(config: GuestConfig, arguments: argparse.Namespace) -> str:
    from blelockd.cli.advice import Attempt, no_session, out_of_reach
    from blelockd.roles.unlock import unlock
    from blelockd.services.guest.provisioning import ProvisioningFailed
    from blelockd.services.ports import LinkDown

    lock: LockId = arguments.lock
    attempt = Attempt(config, arguments.config, lock)
    try:
        return await unlock(config, lock, seconds=arguments.seconds, tell=_teller())
    except LinkDown as error:
        raise out_of_reach(error, attempt) from error
    except ProvisioningFailed as error:
        raise no_session(error, attempt) from error


def _teller() -> Callable[[str], None]:
    """Tells each step on standard output, with the seconds since the first."""
    started = time.monotonic()

    def tell(step: str) -> None:
        say(f"{time.monotonic() - started:6.1f} s  {step}")

    return tell


COMMANDS: Final = (
    run(ROLE, "Keep a session for every lock in the configuration, and show their tokens."),
    Command(
        name="enrol",
        summary="become a guest of an issuer, by an invite of it",
        about="Show an invite to the issuer, tell it this guest's key, and trust the issuer that "
        "proves to know the invite. An invite is good for ten minutes, once. What it is worth, the "
        "issuer says: `blelock-issuer guest invite`.",
        example="sudo blelock-guest enrol",
        run=_enrol,
        add_arguments=_add_enrol_arguments,
    ),
    Command(
        name="unlock",
        summary="open one lock, once, and tell every step",
        about="Find the issuer, get a session for LOCK_ID and show its tokens for a while. The "
        "lock only listens: whether the door opened is seen at the door and in the lock's "
        "journal. That somebody asks for it by hand is told to the lock, and a door with `intent: "
        "required` opens to nothing else. Where the policy has `challenge: true`, it listens for "
        "the lock's question first, and its tokens answer it.",
        example="blelock-guest unlock lock_01 --seconds 10",
        run=_unlock,
        add_arguments=_add_unlock_arguments,
    ),
    doctor(ROLE),
    status(ROLE),
    check_config(ROLE),
    keygen(ROLE, "next: nothing; the public half goes to the issuer with each request"),
    show_key(ROLE),
    Command(
        name="import-key",
        summary="trust the issuer's public key, after confirming its fingerprint",
        about="Take the public key of the issuer. With it an answer that this key has not signed "
        "is refused: read the fingerprint on the issuer itself, `blelock-issuer show-key`.",
        example="sudo blelock-guest import-key ./issuer.pub",
        run=_import_key,
        add_arguments=_add_import_arguments,
    ),
)


def parser() -> argparse.ArgumentParser:
    """The parser of blelock-guest."""
    about = "Gets sessions from the issuer over Bluetooth, and shows their tokens to the locks."
    return frame.parser(ROLE.command, about, COMMANDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run blelock-guest; returns the exit status."""
    return frame.main(parser(), argv)
