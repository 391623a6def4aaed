"""What the shell may complete: locks and people, as far as this user may know them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from blelockd.cli.configuration import Role
from blelockd.config import ConfigErrors, IssuerConfig

Names = Callable[[IssuerConfig], Iterator[str]]


def locks_known(role: Role[IssuerConfig], to: argparse.Action) -> None:
    """Complete lock ids: those in the configuration and, for root, those in the store."""
    _complete(role, to, _locks)


def people_known(role: Role[IssuerConfig], to: argparse.Action) -> None:
    """Complete the names of people in the same way."""
    _complete(role, to, _people)


def _complete(role: Role[IssuerConfig], to: argparse.Action, names: Names) -> None:
    def completer(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        path: Path = getattr(parsed_args, "config", role.default_config)
        try:
            return sorted({name for name in names(role.of.load(path)) if name.startswith(prefix)})
        except ConfigErrors:
            return []

    to.completer = completer  # type: ignore[attr-defined]  # argcomplete looks for it


def _locks(config: IssuerConfig) -> Iterator[str]:
    yield from (str(lock.lock_id) for lock in config.access.locks)
    yield from _stored(config, lambda store: (str(lock.lock_id) for lock in store.locks.all()))


def _people(config: IssuerConfig) -> Iterator[str]:
    yield from (person.person for person in config.access.people)
    yield from _stored(config, lambda store: (guest.person for guest in store.guests.all()))


def _stored(config: IssuerConfig, names: Callable[[Any], Iterator[str]]) -> Iterator[str]:
    from blelockd.cli.exits import Failure
    from blelockd.cli.issuing.store import STORE_FILE, opened

    try:
        if (config.state_directory / STORE_FILE).exists():
            with opened(config) as store:
                yield from list(names(store))
    except (Failure, OSError):
        return
