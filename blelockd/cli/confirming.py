"""What comes from another machine is trusted only once a person has compared its fingerprint.

The end of the fingerprint is not shown: the operator types it as the other machine shows it, or
gives the whole of it. Whatever else happens, nothing is imported.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from blelockd.cli.exits import Exit, Failure
from blelockd.protocol.keys import MAXIMUM_PEM_BYTES

_TRIES: Final = 3
_GROUPS_TYPED: Final = 2
_BLANK: Final = " ".join(["____"] * _GROUPS_TYPED)
_WHOLE_DIGITS: Final = 32
_PART_DIGITS: Final = 4 * _GROUPS_TYPED
_SIGNS_BETWEEN: Final = re.compile(r"[\s:-]")
_HEX: Final = re.compile(r"[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose key or card (`thing`) it is, and which verb of `command` shows it on their machine."""

    name: str
    command: str
    thing: str = "key"
    verb: str = "show-key"

    @property
    def show(self) -> str:
        """What to run there to see the fingerprint."""
        return f"sudo {self.command} {self.verb} --fingerprint"


def add_confirm_arguments(to: argparse.ArgumentParser) -> None:
    """Add --fingerprint and --replace."""
    to.add_argument(
        "--fingerprint",
        metavar="FULL",
        type=_whole_fingerprint,
        help="the whole fingerprint as the other machine shows it, in quotes or without its "
        "blanks, in place of being asked; for scripts",
    )
    to.add_argument(
        "--replace", action="store_true", help="take it in place of another one that is there"
    )


def read_from(source: str, owner: Owner) -> bytes:
    """What the file `source` begins with, or standard input where it is `-`; raises Failure."""
    try:
        if source == "-":
            return sys.stdin.buffer.read(MAXIMUM_PEM_BYTES + 1)
        with open(source, "rb") as file:
            return file.read(MAXIMUM_PEM_BYTES + 1)
    except FileNotFoundError as error:
        remedy = (
            f"bring the {owner.thing} over from {owner.name}: "
            f"`sudo {owner.command} {owner.verb}` prints it"
        )
        raise Failure(f"{source}: no such file", remedy, Exit.NO_INPUT) from error
    except OSError as error:
        problem = os.strerror(error.errno or 0).lower()
        remedy = "name a file that this user may read"
        raise Failure(f"{source}: {problem}", remedy, Exit.NO_INPUT) from error


@contextmanager
def nothing_imported() -> Iterator[None]:
    """Tell the operator who interrupts within that nothing has changed."""
    try:
        yield
    except KeyboardInterrupt:
        print()
        raise Failure("interrupted", "nothing was imported", Exit.INTERRUPTED) from None


# --- the fingerprint ---------------------------------------------------------------------------


def confirm(fingerprint: str, owner: Owner, given: str | None) -> None:
    """Return if the operator knows the fingerprint from elsewhere; raises Failure.

    `given` is the whole of it from the command line; without it the operator is asked.
    """
    if given is None:
        _ask_for(fingerprint, owner)
    elif given != _digits(fingerprint):
        raise _not_theirs(owner)


def _digits(fingerprint: str) -> str:
    return _SIGNS_BETWEEN.sub("", fingerprint).lower()


def _whole_fingerprint(text: str) -> str:
    digits = _digits(text)
    if not _HEX.fullmatch(digits) or len(digits) != _WHOLE_DIGITS:
        are = f"{len(digits)} digits" if _HEX.fullmatch(digits) else "not hex digits"
        raise argparse.ArgumentTypeError(
            f"these are {are}; a whole fingerprint has {_WHOLE_DIGITS} hex digits, 8 groups of 4, "
            "in quotes or without blanks"
        )
    return digits


def _ask_for(fingerprint: str, owner: Owner) -> None:
    if not sys.stdin.isatty():
        remedy = "give --fingerprint with all 8 groups, or run this at a terminal"
        raise Failure(f"there is nobody to confirm the {owner.thing}", remedy, Exit.USAGE)
    shown, whole = fingerprint.split()[:-_GROUPS_TYPED], _digits(fingerprint)
    print(f"fingerprint of the {owner.thing} of {owner.name}: {' '.join(shown)} {_BLANK}")
    print(f"Compare these groups with those on the machine of {owner.name}: {owner.show}")
    differ = False
    for _ in range(_TRIES):
        typed = _digits(_answer(f"Its last {_GROUPS_TYPED} groups (or all of it) are: ", owner))
        if typed in (whole, whole[-_PART_DIGITS:]):
            return
        if _HEX.fullmatch(typed) and len(typed) in (_WHOLE_DIGITS, _PART_DIGITS):
            differ = True
            print(f"That is not this {owner.thing}'s fingerprint.")
        else:
            print(f"Type {_PART_DIGITS} hex digits, its last {_GROUPS_TYPED} groups, or all 32.")
    if differ:
        raise _not_theirs(owner)
    raise Failure("no fingerprint was typed", "nothing was imported", Exit.USAGE)


def _answer(question: str, owner: Owner) -> str:
    try:
        return input(question)
    except EOFError as error:
        print()
        problem = f"the {owner.thing} was not confirmed"
        raise Failure(problem, "nothing was imported", Exit.DATA) from error


def _not_theirs(owner: Owner) -> Failure:
    remedy = f"nothing was imported; bring the {owner.thing} over again, by another way"
    problem = f"this is not the {owner.thing} of {owner.name}: fingerprints differ"
    return Failure(problem, remedy, Exit.DATA)
