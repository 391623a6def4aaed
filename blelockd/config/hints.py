"""What the operator may have meant by a key that is not one."""

from __future__ import annotations

from collections.abc import Iterator

from blelockd.config.document import KeyPath, dotted
from blelockd.config.kinds import near_miss
from blelockd.config.options import Option, Section, options_of


def section_at(of: type[Section], path: KeyPath) -> type[Section] | None:
    """The section class at `path`; None where there is a value, a mapping or nothing."""
    here = of
    steps = iter(path)
    for step in steps:
        about = {name: about for name, about, _ in options_of(here)}.get(str(step))
        if about is None or about.section is None:
            return None
        if about.named and next(steps, None) is None:
            return None
        here = about.section
    return here


def option_at(of: type[Section], path: KeyPath) -> Option | None:
    """The option at `path`; None where there is none."""
    section = section_at(of, path[:-1])
    if section is None or not path:
        return None
    return next((about for name, about, _ in options_of(section) if name == path[-1]), None)


def every_key(of: type[Section], at: KeyPath = ()) -> Iterator[tuple[KeyPath, Option]]:
    """Every key of a file with its path, names in a mapping left out."""
    for name, about, _ in options_of(of):
        yield (*at, name), about
        if about.section is not None:
            yield from every_key(about.section, (*at, name))


def for_unknown_key(of: type[Section], path: KeyPath) -> str:
    """`did you mean ...?` for the unknown key at `path`; empty where nothing is like it."""
    given = str(path[-1])
    siblings = section_at(of, path[:-1])
    here = [name for name, _, _ in options_of(siblings)] if siblings is not None else []
    for key, about in every_key(of):
        if given in about.seed and key[-1] not in here:
            return f"that is {dotted(key)} here"
        if given in about.seed:
            return f"did you mean {key[-1]}?"
    elsewhere = [key for key, _ in every_key(of) if key[-1] == given]
    if elsewhere:
        return f"it belongs at {dotted(elsewhere[0])}"
    return near_miss(given, here) or near_miss(given, (str(key[-1]) for key, _ in every_key(of)))
