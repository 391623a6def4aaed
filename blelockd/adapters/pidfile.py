"""One daemon alone in its directory: a file that the kernel holds for it, with its process id.

The lock is flock(2)'s and ends with the process, however that ends: what it leaves holds nobody up.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from blelockd.adapters.owner import acting_as_owner_of

FILE: Final = "daemon.pid"

_MOST_DIGITS: Final = 10
_SAFELY: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class HeldByAnother(Exception):
    """A living process holds the file at `path`; its `pid`, None where it could not write it."""

    def __init__(self, path: Path, pid: int | None) -> None:
        super().__init__(f"{path} is held by process {pid or 'of unknown number'}")
        self.path = path
        self.pid = pid


class PidFile:
    """`directory`/daemon.pid, held from now on until `close`, or the end of this process.

    Raises HeldByAnother; OSError where the file cannot be made or opened. The file stays: to delete
    it would let two daemons hold two files of one name.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        # As the user whose directory it is: root, by hand, leaves nothing the service cannot open.
        with acting_as_owner_of(directory if directory.exists() else directory.parent):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # To read alone: it can be held on a disk that is read-only, or shall become so.
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CREAT | _SAFELY, 0o600)
            try:
                self._hold()
            except BaseException:
                self.close()
                raise
            with contextlib.suppress(OSError):  # a full disk; the file is held all the same
                self._sign()

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _hold(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise FileExistsError(errno.EEXIST, "not a regular file", str(self.path))
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeldByAnother(self.path, self._pid()) from error

    def _sign(self) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_TRUNC | _SAFELY)
        try:
            os.write(descriptor, b"%d\n" % os.getpid())
        finally:
            os.close(descriptor)

    def _pid(self) -> int | None:
        told = os.pread(self._descriptor, _MOST_DIGITS + 1, 0).strip()
        return int(told) if told.isdigit() else None
