"""Key files: read only where nobody else could put or read them, written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from blelockd.adapters.keyring.errors import (
    KeyFileError,
    KeyFileExists,
    KeyFileFailed,
    KeyFileMissing,
    KeyFileUnsafe,
)
from blelockd.adapters.place import PlaceUnsafe, check_place, is_ours
from blelockd.protocol.errors import Malformed
from blelockd.protocol.keys import MAXIMUM_PEM_BYTES

K = TypeVar("K")

KEPT: Final = ("there is another key already, and it stays", "see whose it is before you move it")

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_MAY: Final = stat.S_IRWXG | stat.S_IRWXO
# systemd hands a credential to a user by an ACL, whose mask shows as the group's read bit.
_MODE_OF_CREDENTIALS: Final = _OTHERS_MAY & ~stat.S_IRGRP


# --- reading -----------------------------------------------------------------------------------


def read_private_key(path: Path, parse: Callable[[bytes], K], *, of_systemd: bool = False) -> K:
    """The key in a file that is its owner's alone; raises KeyFileError.

    `parse` makes it of PEM and raises Malformed. With `of_systemd` the file may have the mode of a
    credential that systemd hands over.
    """
    forbidden = _MODE_OF_CREDENTIALS if of_systemd else _OTHERS_MAY
    pem = _read(path, forbidden, "there is no private key here", "make it with `keygen`")
    try:
        return parse(pem)
    except Malformed as error:
        is_public = b"PUBLIC KEY" in pem
        problem = "this is a public key, not the private one" if is_public else error.reason
        remedy = "move it away and make a key with `keygen`"
        raise KeyFileError(path, problem, remedy) from error


def read_public_file(
    path: Path,
    missing: str = "there is no public key here",
    remedy: str = "bring it in with `import-key`",
) -> bytes:
    """What is in a file that only its owner may change; raises KeyFileError.

    `missing` and `remedy` are for KeyFileMissing.
    """
    return _read(path, _OTHERS_MAY_WRITE, missing, remedy)


def _read(path: Path, forbidden_mode: int, missing: str, remedy: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KeyFileMissing(path, missing, remedy) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        check_place(path)
        _check_file(path, os.fstat(descriptor), forbidden_mode)
        content = os.read(descriptor, MAXIMUM_PEM_BYTES + 1)
    except PlaceUnsafe as unsafe:
        raise KeyFileUnsafe(path, unsafe.problem, unsafe.remedy) from unsafe
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if not content:
        raise KeyFileError(path, "the file is empty", "remove it and make or import the key anew")
    if len(content) > MAXIMUM_PEM_BYTES:
        problem = f"more than {MAXIMUM_PEM_BYTES} bytes, which no key has"
        raise KeyFileError(path, problem, "put the key itself there")
    return content


def _check_file(path: Path, status: os.stat_result, forbidden_mode: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileUnsafe(path, "not a regular file", "put a PEM file there")
    if not is_ours(status):
        problem = f"it belongs to user {status.st_uid}, who could change it"
        raise KeyFileUnsafe(path, problem, f"chown root {path}")
    if status.st_mode & forbidden_mode & ~_OTHERS_MAY_WRITE:
        raise KeyFileUnsafe(path, f"other users can read it ({_mode(status)})", f"chmod 600 {path}")
    if status.st_mode & forbidden_mode:
        raise KeyFileUnsafe(path, f"others can change it ({_mode(status)})", f"chmod go-w {path}")


def _mode(status: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(status.st_mode):04o}"


def _unreadable(path: Path, error: OSError) -> KeyFileError:
    if error.errno == errno.ELOOP:
        return KeyFileUnsafe(path, "a symbolic link", "put the key itself here")
    if error.errno in (errno.EACCES, errno.EPERM):
        remedy = "run this as root, or let systemd hand the key over (LoadCredential=)"
        return KeyFileUnsafe(path, "this user may not read it", remedy)
    return KeyFileFailed(path, f"cannot be read: {_told(error)}", "see to the disk or the path")


def _told(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()


# --- writing -----------------------------------------------------------------------------------


def write_file(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    """Put a whole file at `path`, and its directories (0755) where they are missing.

    Raises KeyFileExists when something is there and not `replace`, also when another process puts
    it there meanwhile. Raises KeyFileError when `path` cannot be written.
    """
    try:
        _make_directories(path.parent)
        with _complete_file(path, content, mode) as temporary:
            if replace:
                os.replace(temporary, path)
            else:
                os.link(temporary, path, follow_symlinks=False)
        _synchronise(path.parent)
    except FileExistsError as error:
        raise KeyFileExists(path, *KEPT) from error
    except OSError as error:
        remedy = "see that this user may write there, and that there is space"
        raise KeyFileFailed(path, f"cannot be written: {_told(error)}", remedy) from error


def _make_directories(directory: Path) -> None:
    if not directory.is_dir():
        _make_directories(directory.parent)
        directory.mkdir(mode=0o755, exist_ok=True)


@contextmanager
def _complete_file(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    """A file beside `path` with all of `content` on the disk; gone afterwards."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _synchronise(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
