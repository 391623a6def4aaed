"""How each daemon begins: read the configuration, open the journal, fetch the keys, or refuse."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

from blelockd.adapters.journal import for_mode
from blelockd.adapters.keyring import Keyring
from blelockd.config import GuestConfig, IssuerConfig, LockConfig
from blelockd.roles.alone import alone
from blelockd.roles.daemon import Daemon, Work

C = TypeVar("C", IssuerConfig, GuestConfig, LockConfig)
Build = Callable[[C, Keyring, Daemon, Path], Work]
Own = Callable[[C], Path]
"""The directory that no two daemons may use at once."""


async def start(
    kind: type[C], path: Path, journal: str, build: Build[C], own: Own[C] | None = None
) -> int:
    """Run the daemon that `build` makes of the configuration at `path`; returns the exit status.

    Raises ConfigErrors, HeldByAnother, KeyFileError or StrikeFailed, before anything has begun.
    """
    config = kind.load(path)
    name = f"blelock-{kind.__name__.removesuffix('Config').lower()}"
    daemon = Daemon(name, for_mode(journal, name))
    daemon.heed(config.journal)
    async with nullcontext() if own is None else alone(own(config), daemon):
        work = build(config, Keyring(config.keys_directory), daemon, path)
        return await daemon.run(work, compat_v1=config.compat_v1)
