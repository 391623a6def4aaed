"""The declarations told to people: the files that ship in etc/blelock, and the manual's entries.

`python3 -m blelockd.config.reference lock > etc/blelock/lock.yaml` writes a file anew; a test
compares, so that the shipped files say what the code does.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from blelockd.config.common import RoleConfig
from blelockd.config.guest import GuestConfig
from blelockd.config.issuer import IssuerConfig
from blelockd.config.kinds import OneValue
from blelockd.config.lock import LockConfig
from blelockd.config.options import Option, Section, options_of

_WIDTH: Final = 96
ROLES: Final[dict[str, tuple[type[RoleConfig], str]]] = {
    "issuer": (IssuerConfig, "hands out sessions to guests and seals them for the locks"),
    "lock": (LockConfig, "listens for tokens at a door and opens it once to each"),
    "guest": (GuestConfig, "fetches sessions from the issuer and advertises their tokens"),
}
_HEAD: Final = """\
# /etc/blelock/{role}.yaml: what {purpose}.
#
# Every option is here. A key right behind a # has its default value; take that # away, and
# nothing else, to change it. `blelock-{role} check-config` checks the whole file. Options marked
# "reload" are taken up by `systemctl reload blelock-{role}`, those marked "restart" only by
# `systemctl restart blelock-{role}`.
"""


class EntryType(Enum):
    """What stands at a key."""

    VALUE = "a value"
    SECTION = "a section that is always there"
    OPTIONAL_SECTION = "a section that may be absent"
    MAPPING = "sections by names that the operator gives"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key, in words. `default` and `example` are YAML; empty where there is none. What is
    `required` has in `default` what the shipped file gives it.

    In `path` the name in a mapping is the upper-case name of what it is, as in
    ("locks", "LOCK_ID", "public_key"). What is in a mapping reloads if the mapping does.
    """

    path: tuple[str, ...]
    type: EntryType
    about: str
    expected: str
    default: str
    example: str
    live: bool
    reloads: bool
    required: bool
    seed: tuple[str, ...]


def entries(config: Section, at: tuple[str, ...] = (), *, reloads: bool = False) -> Iterator[Entry]:
    """Every key of the file that `config` comes from, in order.

    A default that follows from other keys is told as it is in `config`. `reloads`: all of them
    do, as a whole.
    """
    for name, about, default in options_of(type(config)):
        path = (*at, name)
        value = getattr(config, name)
        told = value if about.derived or about.required else default
        yield _entry(path, about, told, reloads=reloads or about.reloads)
        if about.section is None:
            continue
        if about.named:
            name = about.named.upper()
            example = about.section(**{about.named: name})
            yield from entries(example, (*path, name), reloads=about.reloads)
        else:
            yield from entries(about.section() if value is None else value, path)


def _entry(path: tuple[str, ...], about: Option, value: Any, *, reloads: bool) -> Entry:
    kind = about.kind
    return Entry(
        path=path,
        type=_type(about),
        about=about.about,
        expected=kind.expected if kind is not None else "",
        default=kind.show(value) if kind is not None and about.section is None else "",
        example=about.example,
        live=about.live,
        reloads=reloads,
        required=about.required or about.refused,
        seed=about.seed,
    )


def _type(about: Option) -> EntryType:
    if about.section is None:
        return EntryType.VALUE
    if about.named:
        return EntryType.MAPPING
    return EntryType.OPTIONAL_SECTION if about.optional_section else EntryType.SECTION


def defaults(of: type[RoleConfig], *, by_name: bool = False) -> RoleConfig:
    """The configuration of a file that gives only what is required, by its examples.

    `by_name`: one value by its own name in capitals, LOCK_ID, which then shows what follows it.
    """
    needed = [
        f"{name}: {name.upper() if by_name and isinstance(about.kind, OneValue) else about.example}"
        for name, about, _ in options_of(of)
        if about.required
    ]
    return of.from_yaml("\n".join(needed), "the defaults")


def shipped_file(role: str) -> str:
    """The text of etc/blelock/ROLE.yaml."""
    of, purpose = ROLES[role]
    lines = [_HEAD.format(role=role, purpose=purpose).rstrip()]
    lines += [line for entry in entries(defaults(of)) for line in _lines(entry)]
    return "\n".join(lines) + "\n"


def _lines(entry: Entry) -> Iterator[str]:
    in_mapping = any(step.isupper() for step in entry.path)
    indent = "  " * (len(entry.path) - 1 - in_mapping)
    if in_mapping:
        told = f"{entry.path[-1]}: {_told(entry)}"
        yield from _comment(told, indent)
        return
    if len(entry.path) == 1 or entry.type is EntryType.OPTIONAL_SECTION:
        yield ""
    yield from _comment(_told(entry), indent)
    sign = "" if entry.live else "#"
    value = f" {entry.default}" if entry.default else ""
    yield f"{indent}{sign}{entry.path[-1]}:{value}"
    if entry.type is EntryType.MAPPING:
        yield f"{indent}  #{entry.example}"


def _told(entry: Entry) -> str:
    mark = "reload" if entry.reloads else "restart"
    if entry.type is EntryType.SECTION:  # its keys are marked one by one
        return entry.about
    if entry.type is not EntryType.VALUE:
        return f"{entry.about} ({mark})"
    example = f"; for example {entry.example}" if entry.example not in ("", entry.default) else ""
    return f"{entry.about} ({entry.expected}{example}; {mark})"


def _comment(text: str, indent: str) -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        text, _WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
    )


if __name__ == "__main__":
    sys.stdout.write(shipped_file(sys.argv[1]))
