"""How a command ends: one exit status, and one sentence, for every kind of failure."""

from __future__ import annotations

import errno
import re
from enum import IntEnum
from typing import Final

from blelockd.adapters.keyring import (
    KeyFileError,
    KeyFileExists,
    KeyFileFailed,
    KeyFileMissing,
    KeyFileUnsafe,
)
from blelockd.config import ConfigErrors, ConfigUnreadable, WrongRole


class Exit(IntEnum):
    """Exit statuses: sysexits(3), and those of a shell for a signal."""

    OK = 0
    NO = 1
    USAGE = 2  # argparse's; sysexits would have 64
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANNOT_CREATE = 73
    IO = 74
    TEMPORARY = 75
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130
    BROKEN_PIPE = 141


STATUSES_TOLD: Final = """\
exit status:
  0  done, or yes                  73  what is there already stays
  1  no, or not in order           74  reading or writing failed
  2  wrong use of this command     75  another one runs already
  65 a key, card, answer or store  77  a file may not be read, or is unsafe
     is no good; or there is no    78  the configuration is wrong
     such guest, lock or event     130 interrupted
  66 a file is missing             141 who reads the output has left
  69 radio, bus or peer is away
  70 a fault of this program"""


class Failure(Exception):
    """The command failed: `problem` says what is wrong, `remedy` what to do next."""

    def __init__(self, problem: str, remedy: str, status: Exit) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.status = status


def naming(command: str, remedy: str, *verbs: str) -> str:
    """`remedy` with `command` before these verbs: the keyring knows no role."""
    return re.sub(rf"`(?=(?:{'|'.join(verbs)})\b)", f"`{command} ", remedy)


def failure_of(error: KeyFileError | ConfigErrors, command: str) -> Failure:
    """The Failure that tells the user of `command` of a key file or a configuration."""
    if isinstance(error, KeyFileError):
        remedy = naming(command, error.remedy, "keygen", "import-key")
        return Failure(f"{error.path}: {error.problem}", remedy, _of_key_file(error))
    if isinstance(error, ConfigUnreadable):
        status = Exit.NO_PERMISSION if error.errno == errno.EACCES else Exit.NO_INPUT
        (unreadable,) = error.errors
        return Failure(f"{unreadable.source}: {unreadable.found}", unreadable.hint, status)
    if isinstance(error, WrongRole):
        return Failure(str(error), f"name the file of {command}, or run the other", Exit.CONFIG)
    count = len({(one.source, one.line) for one in error.errors}) + error.more
    subject = "this line" if count == 1 else f"these {count} lines"
    return Failure(str(error), f"mend {subject}, then try again", Exit.CONFIG)


def _of_key_file(error: KeyFileError) -> Exit:
    kinds: tuple[tuple[type[KeyFileError], Exit], ...] = (
        (KeyFileMissing, Exit.NO_INPUT),
        (KeyFileExists, Exit.CANNOT_CREATE),
        (KeyFileUnsafe, Exit.NO_PERMISSION),
        (KeyFileFailed, Exit.IO),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), Exit.DATA)
