"""Text to a configuration, or everything that is wrong with it at once.

Three looks: is it YAML (one error, document.py); is each key known and each value of its kind
(schema.py); do the values that are right alone also agree. The last look leaves out what the
second found wrong, so that one mistake is told once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import voluptuous as vol

from blelockd.config import hints
from blelockd.config.document import (
    LARGEST_FILE_BYTES,
    Document,
    KeyPath,
    Tree,
    dotted,
    read,
)
from blelockd.config.errors import (
    LARGEST_REPORT,
    ConfigError,
    ConfigErrors,
    ConfigUnreadable,
    Conflict,
    Unacceptable,
    WrongRole,
    quoted,
)
from blelockd.config.options import Section, conflicts_of, options_of
from blelockd.config.schema import build, schema_of
from blelockd.config.wrong_role import first_foreign, looks_like

S = TypeVar("S", bound=Section)

_MANY_KEYS = 12  # more siblings than this are not listed in an error


def parse(of: type[S], text: str, source: str, roles: Mapping[str, type[Section]]) -> S:
    """The configuration in `text`; raises ConfigErrors with all that is wrong, and no other.

    `roles` are all that there are, by name: a file of another's raises WrongRole.
    """
    document = read(text, source)
    other = looks_like(of, document.tree, roles)
    if other:
        ours = next((f"{name}.yaml" for name, role in roles.items() if role is of), "")
        line = document.line((first_foreign(of, document.tree),))
        raise WrongRole(ConfigError(source, line, "", f"this looks like {other}", ours))
    return _Check(of, document).configuration()


def read_file(path: Path, role: str) -> str:
    """The text of a configuration file; raises ConfigUnreadable, or ConfigErrors for the bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            _refuse_unsafe(path, status.st_mode)
            _refuse_unsafe_place(path, owner=status.st_uid)
            raw = os.read(descriptor, LARGEST_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        remedy = (
            f"name another with --config, or copy etc/blelock/{role}.yaml of the source there;\n"
            "if it was the package's: apt-get install --reinstall "
            f"-o Dpkg::Options::=--force-confmiss blelock-{role}"
        )
        raise ConfigUnreadable(path, "no such file", remedy, errno=error.errno or 0) from error
    except OSError as error:
        remedy = "see that the file is readable for the user this runs as"
        problem = os.strerror(error.errno or 0).lower()
        raise ConfigUnreadable(path, problem, remedy, errno=error.errno or 0) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = ConfigError(str(path), line, "", "a byte that is not UTF-8", "UTF-8 text")
        raise ConfigErrors([fault]) from error


def _refuse_unsafe(path: Path, mode: int) -> None:
    """The file names the program that opens the door: it may not be anybody's."""
    if not stat.S_ISREG(mode):
        raise ConfigUnreadable(path, "not a regular file", "name a YAML file")
    if mode & stat.S_IWOTH:
        problem = f"anybody may change it (mode {stat.S_IMODE(mode):04o})"
        raise ConfigUnreadable(path, problem, f"chmod o-w {path}", errno=errno.EACCES)


def _refuse_unsafe_place(path: Path, owner: int) -> None:
    """Nor may it stand where anybody may put another in its place."""
    for directory in {path.parent, Path(os.path.realpath(path)).parent}:
        mode = directory.stat().st_mode
        kept_apart = mode & stat.S_ISVTX and owner in (0, os.geteuid())
        if mode & stat.S_IWOTH and not kept_apart:
            problem = f"anybody may put files into {directory} (mode {stat.S_IMODE(mode):04o})"
            remedy = f"chmod o-w {directory}, or keep the file elsewhere"
            raise ConfigUnreadable(path, problem, remedy, errno=errno.EACCES)


class _Check(Generic[S]):
    """One file being checked."""

    def __init__(self, of: type[S], document: Document) -> None:
        self._of = of
        self._document = document
        self._wrong: set[KeyPath] = set()

    def configuration(self) -> S:
        """The dataclass, or ConfigErrors."""
        values, faults = self._values()
        config = build(self._of, values)
        conflicts = [
            self._conflict_error(at, conflict)
            for at, conflict in _conflicts(config)
            if not self._touches_a_fault(at, conflict)
        ]
        errors = [*self._document.repeated, *faults, *conflicts]
        if errors:
            errors.sort(key=lambda error: (error.line, error.key))
            raise ConfigErrors(errors[:LARGEST_REPORT], more=len(errors[LARGEST_REPORT:]))
        return config

    def _values(self) -> tuple[dict[str, Any], list[ConfigError]]:
        """Typed values of all that is right, and an error for each thing that is not."""
        by_path: dict[KeyPath, vol.Invalid] = {}
        tree = self._document.tree
        while True:  # each round takes out at least one key; two are the rule
            try:
                values = schema_of(self._of, whole=not by_path)(tree)
                break
            except vol.MultipleInvalid as invalid:
                by_path |= {_path(error): error for error in invalid.errors}
                tree = _without(tree, set(by_path))
        self._wrong = set(by_path)
        shown = sorted(by_path, key=lambda path: (self._document.line(path), dotted(path)))
        return values, [
            self._fault(path, by_path[path], hinted=index < LARGEST_REPORT)
            for index, path in enumerate(shown)
        ]

    def _fault(self, path: KeyPath, error: vol.Invalid, *, hinted: bool) -> ConfigError:
        line = self._document.line(path)
        if isinstance(error, Unacceptable):
            found = error.found or _seen(self._document.value(path))
            return self._error(path, line, f"found {found}", error.expected, error.hint)
        if isinstance(error, vol.RequiredFieldInvalid):
            about = hints.option_at(self._of, path)
            expected = about.kind.expected if about is not None and about.kind else "a value"
            example = f"for example `{path[-1]}: {about.example}`" if about is not None else ""
            return self._error(path, line, "missing", expected, example)
        if isinstance(error, vol.DictInvalid):
            found = f"found {_seen(self._document.value(path))}"
            return self._error(path, line, found, "keys and values", "")
        hint = hints.for_unknown_key(self._of, path) if hinted else ""
        return self._error(path, line, "unknown key", self._known_keys(path[:-1]), hint)

    def _known_keys(self, path: KeyPath) -> str:
        section = hints.section_at(self._of, path)
        names = [name for name, _, _ in options_of(section)] if section is not None else []
        return f"one of {', '.join(names)}" if 0 < len(names) <= _MANY_KEYS else ""

    def _conflict_error(self, at: KeyPath, conflict: Conflict) -> ConfigError:
        paths = [(*at, *key.split(".")) for key in conflict.keys]
        written = [path for path in paths if path in self._document.lines]
        line = self._document.line(written[0] if written else paths[0])
        hint = conflict.hint
        if paths[0] not in written:
            hint = f"{paths[0][-1]} is not given, that is its default"
        return self._error(paths[0], line, conflict.found, conflict.expected, hint)

    def _touches_a_fault(self, at: KeyPath, conflict: Conflict) -> bool:
        touched = [(*at, *key.split(".")) for key in conflict.keys]
        return any(
            wrong[: len(path)] == path or path[: len(wrong)] == wrong
            for wrong in self._wrong
            for path in touched
        )

    def _error(self, path: KeyPath, line: int, found: str, expected: str, hint: str) -> ConfigError:
        return ConfigError(self._document.source, line, dotted(path), found, expected, hint)


def _path(error: vol.Invalid) -> KeyPath:
    return tuple(step if isinstance(step, int) else str(step) for step in error.path)


def _seen(value: Tree) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "nothing"
    return "a section" if isinstance(value, dict) else "a list"


def _without(tree: Any, wrong: set[KeyPath], at: KeyPath = ()) -> Any:
    """The tree without the wrong keys; a list goes whole when one of its items is wrong."""
    if not isinstance(tree, dict):
        return tree
    listed = {path[:-1] for path in wrong if isinstance(path[-1], int)}
    return {
        key: _without(value, wrong, (*at, key))
        for key, value in tree.items()
        if (*at, key) not in wrong and (*at, key) not in listed
    }


def _conflicts(config: Section, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Conflict]]:
    for conflict in conflicts_of(config):
        yield at, conflict
    for name, about, _ in options_of(type(config)):
        if about.section is None:
            continue
        value = getattr(config, name)
        entries = value if about.named else [] if value is None else [value]
        for entry in entries:
            step = (name, str(getattr(entry, about.named))) if about.named else (name,)
            yield from _conflicts(entry, (*at, *step))
