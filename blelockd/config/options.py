"""How an option is declared: once, as a field of a dataclass, with all that is known of it.

The voluptuous schema (schema.py), the shipped files and the manual (reference.py) and the reload
(changes.py) are all derived from these declarations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, TypeVar

from blelockd.config.errors import Conflict
from blelockd.config.kinds import Kind

_METADATA: Final = "blelock"


class Section(Protocol):
    """A frozen dataclass whose fields are declared by this module.

    It may have `conflicts()`: what is wrong between its keys.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T")
S = TypeVar("S", bound=Section)


def conflicts_of(section: Section) -> Iterator[Conflict]:
    """What `section` itself objects to between its keys."""
    check = getattr(section, "conflicts", None)
    if check is not None:
        yield from check()


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of one key: a value, a section, or a mapping of sections by a name.

    `required`: it has no default. `refused`: its default is not taken. `reloads`: a running daemon
    takes a new value on SIGHUP. `live`: it stands in the shipped file without a comment sign.
    `derived`: where it is not given it follows from other keys. `example` is shown beside the
    default. `seed` is what the seed's programs called it. `section` is set for a section, `kind`
    for a value; both, and `named`, for a mapping: `kind` reads its keys, which go to the field
    `named` of each section.
    """

    about: str
    kind: Kind[Any] | None = None
    section: type[Section] | None = None
    named: str = ""
    required: bool = False
    refused: bool = False
    optional_section: bool = False
    reloads: bool = False
    live: bool = False
    derived: bool = False
    example: str = ""
    seed: tuple[str, ...] = ()


def option(
    default: T,
    kind: Kind[T],
    about: str,
    *,
    reloads: bool = False,
    live: bool = False,
    derived: bool = False,
    refused: bool = False,
    example: str = "",
    seed: tuple[str, ...] = (),
) -> T:
    """A key with a default; a `derived` one is settled in `__post_init__`.

    `refused`: `conflicts()` takes anything but the default.
    """
    about_it = Option(
        about,
        kind,
        refused=refused,
        reloads=reloads,
        live=live,
        derived=derived,
        example=example,
        seed=seed,
    )
    field: T = dataclasses.field(default=default, metadata={_METADATA: about_it})
    return field


def required(kind: Kind[T], about: str, *, example: str, seed: tuple[str, ...] = ()) -> T:
    """A key without which the file is not complete."""
    about_it = Option(about, kind, required=True, live=True, example=example, seed=seed)
    field: T = dataclasses.field(metadata={_METADATA: about_it})
    return field


def section(of: type[S], about: str) -> S:
    """A section; one that is absent or empty has the defaults of its keys."""
    about_it = Option(about, section=of, live=True)
    field: S = dataclasses.field(default_factory=of, metadata={_METADATA: about_it})
    return field


def optional_section(of: type[S], about: str) -> S | None:
    """A section that is None where it is absent."""
    about_it = Option(about, section=of, optional_section=True)
    field: S | None = dataclasses.field(default=None, metadata={_METADATA: about_it})
    return field


def mapping(
    of: type[S],
    named: str,
    key: Kind[Any],
    about: str,
    *,
    example: str,
    reloads: bool = False,
    seed: tuple[str, ...] = (),
) -> tuple[S, ...]:
    """Sections by a name that the operator gives; `named` is the field that takes the name."""
    about_it = Option(about, key, of, named, example=example, reloads=reloads, live=True, seed=seed)
    field: tuple[S, ...] = dataclasses.field(default=(), metadata={_METADATA: about_it})
    return field


def the_name() -> Any:
    """The field of a section in a mapping that takes its name; not a key of its own."""
    return dataclasses.field()


def options_of(of: type[Section]) -> Iterator[tuple[str, Option, Any]]:
    """The keys of a section in their order: name, what is known, default (None if required)."""
    for field in dataclasses.fields(of):
        about_it = field.metadata.get(_METADATA)
        if about_it is not None:
            yield field.name, about_it, _default(field)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def settle(section: Section, name: str, value: object) -> None:
    """Set a field whose default follows from others; for `__post_init__` only."""
    object.__setattr__(section, name, value)
