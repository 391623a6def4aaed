"""Temporary directories that do not pile up: each is locked while its owner lives, and one that
nobody holds any more (its owner was killed) goes when the next is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "blelock-run-"  # short: paths of sockets in there end at 107 bytes, unix(7)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty directory, only this user's, gone with the block."""
    _remove_stale()
    directory, held = _make()
    try:
        yield directory
    finally:
        try:
            shutil.rmtree(directory)
        finally:
            os.close(held)


def _make() -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = _lock(directory)
        if held is not None:
            return directory, held
        # somebody else, who makes one too, took this for stale before it was locked


def _remove_stale() -> None:
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        held = _lock(directory)
        if held is not None:
            shutil.rmtree(directory, ignore_errors=True)  # what stays, the next one removes
            os.close(held)


def _lock(directory: Path) -> int | None:
    """A descriptor that holds the directory until it is closed, or its process ends; None if
    another holds it, or it is gone, or not a directory of this user.
    """
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    if _takes(held) and os.fstat(held).st_uid == os.getuid() and directory.exists():
        return held
    os.close(held)
    return None


def _takes(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
