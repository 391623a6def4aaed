"""What a reload would change: what a running daemon can take, and what needs a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from blelockd.config.options import Section, options_of

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Changes:
    """Dotted keys whose value differs between two configurations."""

    reloadable: tuple[str, ...]
    need_restart: tuple[str, ...]


def changes(old: S, new: S) -> Changes:
    """The keys that differ, parted by whether a running daemon can take the new value."""
    found = list(_differences(type(old), old, new, ""))
    return Changes(
        tuple(key for key, reloads in found if reloads),
        tuple(key for key, reloads in found if not reloads),
    )


def _differences(
    of: type[Section], old: Section, new: Section, at: str
) -> Iterator[tuple[str, bool]]:
    for name, about, _ in options_of(of):
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        whole = about.section is None or about.named or before is None or after is None
        if whole or about.section is None:
            yield at + name, about.reloads
        else:
            yield from _differences(about.section, before, after, f"{at}{name}.")
