"""A small disk of one's own, to be filled and made read-only: a tmpfs, where we may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from blelockd.virtual.scratch import scratch

_SIZE: Final = "32m"
_FILLER: Final = "filler"


class SmallDisk:
    """`with` it: `path` is a directory on it. `is_mounted` is False where mounting is not for us:
    then it is a directory like any other, which can be neither filled nor made read-only.
    """

    def __init__(self) -> None:
        self._scratch = scratch()
        self.path = Path()
        self.is_mounted = False

    def __enter__(self) -> SmallDisk:
        self.path = self._scratch.__enter__() / "disk"  # scratch is held by its own directory
        self.path.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={_SIZE},mode=0755", "none", str(self.path)]
        self.is_mounted = os.geteuid() == 0 and _mounts(*options)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        self._scratch.__exit__(kind, error, trace)

    def fill(self) -> None:
        """Not a byte more goes on it."""
        with (self.path / _FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    def make_room(self) -> None:
        """There is room again."""
        (self.path / _FILLER).unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written meanwhile. Raises RuntimeError while somebody writes."""
        if not _mounts("-o", "remount,ro", str(self.path)):
            raise RuntimeError(f"{self.path} is in use")
        try:
            yield
        finally:
            _mounts("-o", "remount,rw", str(self.path))


def _mounts(*options: str) -> bool:
    return subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
