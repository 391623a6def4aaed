"""Where a file is: on no step of the way to it may others put another in its place.

Others are all but root and this user. Whoever may rename a directory on the way replaces all that
is below it, so each is asked, from / on, and so is each link that is followed.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = 0
_MOST_LINKS: Final = 40  # as many as Linux follows, path_resolution(7)

_LOCAL: Final = Path("/usr/local")
# Debian gives /usr/local to the group `staff` (mode 2775) on systems that began before Debian 12,
# or wish it so. Its members may put programs into root's PATH there, so they are root anyway; and a
# strike in /usr/local/bin must run. 50 is Debian's own number for it. Within the unit
# (PrivateUsers=yes) every group but root's and the daemon's shows as 65534, that one, too.
_STAFF: Final = (50, 65534)

_ACL: Final = "system.posix_acl_access"
_NO_ACL: Final = (errno.ENODATA, errno.ENOTSUP)  # it has none; its file system knows none


class PlaceUnsafe(Exception):
    """Others may put another file there: `problem` says where, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


def check_place(path: Path) -> None:
    """Raises PlaceUnsafe where others could put another file at `path`; OSError."""
    for step, status in _way(path):
        _check_step(step, status)


def is_ours(status: os.stat_result) -> bool:
    """Whether it belongs to root or to this user."""
    return status.st_uid in (_ROOT, os.geteuid())


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Each directory and each link on the way to `path`, from / on; not the file itself."""
    at, left, links = Path("/"), [*reversed((Path.cwd() / path).parts[1:])], 0
    yield at, os.lstat(at)
    while left:
        part = left.pop()
        step = at.parent if part == ".." else at / part
        status = os.lstat(step)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = Path(os.readlink(step))
            at = Path("/") if target.is_absolute() else at
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            yield step, status
        elif left:
            at = step
            yield step, status


def _check_step(step: Path, status: os.stat_result) -> None:
    if not is_ours(status):
        problem = f"{step} belongs to user {status.st_uid}, who may put another file there"
        raise PlaceUnsafe(problem, f"chown -h root {step}, or use another place")
    mode = status.st_mode
    # In a sticky directory everybody replaces only their own, and what is of ours is asked next.
    if stat.S_ISLNK(mode) or mode & stat.S_ISVTX:
        return
    shown = f"(mode {stat.S_IMODE(mode):04o})"
    # With an ACL the group's bits are its mask: whom they let write is not the group alone. So
    # chmod takes it from all of them.
    if mode & stat.S_IWGRP and _has_acl(step):
        problem = f"an ACL may let others replace files in {step} {shown}"
        raise PlaceUnsafe(problem, f"chmod g-w {step}")
    if mode & stat.S_IWOTH:
        raise PlaceUnsafe(f"anybody may replace files in {step} {shown}", f"chmod o-w {step}")
    if mode & stat.S_IWGRP and not _is_our_group(status.st_gid) and not _is_staffs(step, status):
        problem = f"group {status.st_gid} may replace files in {step} {shown}"
        raise PlaceUnsafe(problem, f"chmod g-w {step}")


def _has_acl(step: Path) -> bool:
    try:
        os.getxattr(step, _ACL)
    except OSError as error:
        if error.errno in _NO_ACL:
            return False
        raise
    return True


def _is_our_group(group_id: int) -> bool:
    """Whether it is the group that root or this user has alone: with umask 002 all that such a user
    makes may be written by it. Whose first group it is, is not among its members; both are asked
    of the user database, which may keep users to itself that it is not asked for by name.
    """
    names = {_name(user) for user in (_ROOT, os.geteuid())}
    try:
        group = grp.getgrgid(group_id)
    except KeyError:
        return False
    first = (user.pw_name for user in pwd.getpwall() if user.pw_gid == group_id)
    return group.gr_name in names and names.issuperset([*group.gr_mem, *first])


def _name(user_id: int) -> str | None:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return None


def _is_staffs(step: Path, status: os.stat_result) -> bool:
    return step.is_relative_to(_LOCAL) and status.st_uid == _ROOT and status.st_gid in _STAFF
