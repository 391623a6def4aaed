"""YAML text to a plain tree with line numbers, or one error that says why not.

Only what a configuration needs of YAML is taken: mappings, lists and scalars. A scalar stays the
text that was written, so that `off`, `11:22:33:44:55:10` or `1800` mean what they look like
whatever YAML 1.1 makes of them; each option reads its own text (kinds.py). Anchors, aliases, tags,
tabs and a second document are refused, and size and depth are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from blelockd.config.errors import ConfigError, ConfigErrors, quoted
from blelockd.config.syntax import explained

LARGEST_FILE_BYTES: Final = 256 * 1024
DEEPEST_NESTING: Final = 8  # the options need 4
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})  # YAML 1.2, 10.3.2

Tree = dict[str, "Tree"] | list["Tree"] | str | None
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The tree of one file, the line of each key in it, and the keys that stand there twice."""

    source: str
    tree: dict[str, Tree]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    repeated: list[ConfigError] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the section it would stand in; 1 for the whole file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def value(self, path: KeyPath) -> Tree:
        """What was written at `path`; None where there is nothing."""
        here: Tree = self.tree
        for step in path:
            if isinstance(here, dict):
                here = here.get(str(step))
            elif isinstance(here, list) and isinstance(step, int):
                here = here[step]
            else:
                return None
        return here


def dotted(path: KeyPath) -> str:
    """`strike.command[1]` for ("strike", "command", 1)."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    is_plain = text.isprintable() and len(text) <= 120 and (text or not path)
    return text if is_plain else quoted(text)


def read(text: str, source: str) -> Document:
    """The document in `text`; raises ConfigErrors with the one reason why it is none."""
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_FILE_BYTES:
        raise _refusal(source, 1, f"more than {LARGEST_FILE_BYTES // 1024} kB of text")
    _refuse_tabs(text, source)
    root = _compose(text, source)
    if root is None or _is_null(root):
        return Document(source, {})
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1
        raise _refusal(source, line, "no key here", expected="lines of the form `key: value`")
    document = Document(source, {})
    document.tree.update(_mapping(root, (), document))
    return document


def _refusal(
    source: str, line: int, found: str, expected: str = "", hint: str = ""
) -> ConfigErrors:
    return ConfigErrors([ConfigError(source, line, "", found, expected, hint)])


def _refuse_tabs(text: str, source: str) -> None:
    before, tab, _ = text.partition("\t")
    if tab:
        line = before.count("\n") + 1
        raise _refusal(source, line, "a tab character", "spaces", "YAML indents with spaces only")


class _Refused(yaml.MarkedYAMLError):
    """YAML that is valid, and that a configuration has no use for."""


class _PlainLoader(yaml.BaseLoader):
    """Composes nodes; never resolves a tag, expands an alias or recurses deeper than the bound."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None or getattr(event, "tag", None) is not None:
            problem = "an anchor, alias or tag (&, *, !)"
            raise _Refused(problem=problem, problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            problem = f"sections are nested more than {DEEPEST_NESTING} deep"
            raise _Refused(problem=problem, problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str, source: str) -> yaml.Node | None:
    try:
        loader = _PlainLoader(text)
        try:
            return loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _refusal(source, line, "a character that no text has", "printable UTF-8") from error
    except yaml.MarkedYAMLError as error:
        raise _syntax_refusal(source, error, text) from error
    except (ValueError, OverflowError) as error:  # "\UFFFFFFFF", %YAML 9999...: PyYAML trips
        raise _refusal(source, 1, "an escape or directive that YAML does not have") from error


def _syntax_refusal(source: str, error: yaml.MarkedYAMLError, text: str) -> ConfigErrors:
    if isinstance(error, _Refused) and error.problem_mark is not None:
        line = error.problem_mark.line + 1
        return _refusal(source, line, str(error.problem), "plain keys and values")
    line, found, hint = explained(error, text)
    return _refusal(source, line, found, hint=hint)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS


def _tree(node: yaml.Node, path: KeyPath, document: Document) -> Tree:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return list(_items(node, path, document))
    return None if _is_null(node) else str(node.value)


def _items(node: yaml.SequenceNode, path: KeyPath, document: Document) -> Iterator[Tree]:
    for index, item in enumerate(node.value):
        document.lines[(*path, index)] = item.start_mark.line + 1
        yield _tree(item, (*path, index), document)


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document) -> dict[str, Tree]:
    tree: dict[str, Tree] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            found = "a list or section used as a key"
            document.repeated.append(
                ConfigError(document.source, line, dotted(path), found, "a plain key")
            )
            continue
        key = str(key_node.value)
        here = (*path, key)
        if key in tree:
            found = f"given twice, first on line {document.lines[here]}"
            document.repeated.append(
                ConfigError(document.source, line, dotted(here), found, "each key once")
            )
            continue
        document.lines[here] = line
        tree[key] = _tree(value_node, here, document)
    return tree
