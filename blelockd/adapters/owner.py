"""Root becomes the user whose files it is to use: what root made there, its owner could not use."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ROOT: Final = 0


def become_owner_of(directory: Path, user: str) -> None:
    """As root, go on as the user to whom `directory` belongs; anybody else stays who they are.

    A directory that is missing is made (0700) and given to `user`, if there is one of that name.
    There is no way back within the process. Raises OSError.
    """
    if os.geteuid() != _ROOT:
        return
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True)
        _give(directory, user)
    status = os.stat(directory)
    if status.st_uid == _ROOT:
        return
    os.setgroups([])
    os.setresgid(status.st_gid, status.st_gid, status.st_gid)
    os.setresuid(status.st_uid, status.st_uid, status.st_uid)


@contextmanager
def acting_as_owner_of(directory: Path) -> Iterator[None]:
    """As root, act within as the user to whom `directory` belongs. For a process of one thread."""
    if os.geteuid() != _ROOT or not directory.exists() or os.stat(directory).st_uid == _ROOT:
        yield
        return
    status, group, groups = os.stat(directory), os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(_ROOT)
        os.setegid(group)
        os.setgroups(groups)


def _give(directory: Path, user: str) -> None:
    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        return
    os.chown(directory, owner.pw_uid, owner.pw_gid)
