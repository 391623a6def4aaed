"""SIGHUP: take what a running daemon can take, name what needs a restart, refuse a bad file."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

from blelockd.config import ConfigErrors, RoleConfig, changes
from blelockd.roles.daemon import ReloadRefused

C = TypeVar("C", bound=RoleConfig)


class Reloader(Generic[C]):
    """The file at `path`, and what this process has taken from it since it started."""

    def __init__(self, started_with: C, path: Path) -> None:
        self._started_with = started_with
        self._in_force = started_with
        self._path = path

    def read(self) -> C:
        """The configuration in the file now; raises ReloadRefused with all that is wrong."""
        try:
            return type(self._started_with).load(self._path)
        except ConfigErrors as errors:
            raise ReloadRefused(str(errors)) from errors

    def heed(self, new: C) -> str:
        """`new` is in force from now on; a sentence on what that changes."""
        taken = changes(self._in_force, new).reloadable
        left = changes(self._started_with, new).need_restart
        self._in_force = new
        told = "configuration read again: "
        told += ", ".join(taken) + " changed" if taken else "no change"
        return told + (f"; restart to change {', '.join(left)}" if left else "")
