"""A dataclass's declarations to a voluptuous schema, and what that passes to the dataclass."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import voluptuous as vol

from blelockd.config.errors import Unacceptable, quoted
from blelockd.config.kinds import Kind
from blelockd.config.options import Option, Section, options_of

S = TypeVar("S", bound=Section)


@cache
def schema_of(of: type[Section], *, whole: bool) -> vol.Schema:
    """A schema for the keys of `of`: text in, a dict of typed values out.

    Not `whole`: required keys may be absent, as when the wrong ones have been taken out.
    """
    return vol.Schema(_keys(of, whole))


def _keys(of: type[Section], whole: bool) -> dict[Any, Any]:
    keys: dict[Any, Any] = {}
    for name, about, _ in options_of(of):
        marker = vol.Required if about.required and whole else vol.Optional
        keys[marker(name)] = _validator(about, whole)
    return keys


def _validator(about: Option, whole: bool) -> Any:
    if about.section is None:
        return about.kind
    keys = _keys(about.section, whole)
    if not about.named:
        return vol.All(_a_section, keys)
    if about.kind is None:
        raise TypeError("a mapping needs a kind for its keys")
    return _Names(about.kind, keys)


def _a_section(value: object) -> dict[str, Any]:
    if value is None:  # all its keys are commented out
        return {}
    if not isinstance(value, dict):
        raise Unacceptable("a section: its keys on lines of their own, indented")
    return value


class _Names:
    """A mapping of sections by names; two spellings of one name, `aa:...` and `AA:...`, are one.

    The names are read here and not by a voluptuous key, which tells why it refused one only
    from version 0.13 on.
    """

    def __init__(self, kind: Kind[Any], keys: dict[Any, Any]) -> None:
        self._kind = kind
        self._schema = vol.Schema({str: vol.All(_a_section, keys)})

    def __call__(self, value: object) -> dict[Any, Any]:
        entries = _a_section(value)
        names: dict[Any, str] = {}
        errors: list[vol.Invalid] = []
        for text in entries:
            try:
                self._add(names, text)
            except Unacceptable as error:
                error.prepend([text])
                errors.append(error)
        try:
            checked = self._schema({text: entries[text] for text in names.values()})
        except vol.MultipleInvalid as invalid:
            errors += invalid.errors
        if errors:
            raise vol.MultipleInvalid(errors)
        return {name: checked[text] for name, text in names.items()}

    def _add(self, names: dict[Any, str], text: str) -> None:
        try:
            name = self._kind(text)
        except Unacceptable as error:
            raise Unacceptable(error.expected, error.hint, found=quoted(text)) from error
        if name in names:
            found = f"{quoted(text)}, the same as {quoted(names[name])}"
            raise Unacceptable("each name once", found=found)
        names[name] = text


def build(of: type[S], values: dict[str, Any], **names: object) -> S:
    """The dataclass of what schema_of passed; a required key that is absent becomes None."""
    arguments: dict[str, Any] = dict(names)
    for name, about, _ in options_of(of):
        if name in values:
            arguments[name] = _value(about, values[name])
        elif about.required:
            arguments[name] = None
    return of(**arguments)


def _value(about: Option, value: Any) -> Any:
    if about.section is None:
        return value
    if not about.named:
        return build(about.section, value)
    return tuple(
        build(about.section, entry, **{about.named: name}) for name, entry in value.items()
    )
