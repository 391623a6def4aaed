"""What the documents name is there: links, commands, make targets, options, files, messages."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from blelockd.cli import guest, issuer, lock
from blelockd.config import IssuerConfig
from blelockd.config.reference import ROLES as REFERENCE
from blelockd.config.reference import Entry, EntryType, defaults, entries
from blelockd.protocol.verdict import Reason
from tests.checkout import ROOT

README: Final = ROOT / "README.md"
ARCHITECTURE: Final = ROOT / "docs/architecture.md"
DOCUMENTS: Final = (README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "keys/README.md")
ROLES: Final = ("issuer", "lock", "guest")
PARSERS: Final[dict[str, Callable[[], argparse.ArgumentParser]]] = {
    "blelock-issuer": issuer.parser,
    "blelock-lock": lock.parser,
    "blelock-guest": guest.parser,
}

_FENCED: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"`([^`\n]+)`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_OURS: Final = re.compile(r"(?:\.venv/bin/)?(blelock-(?:issuer|lock|guest)) (?!blelock-)(?=[a-z])")
_KEY: Final = re.compile(r"(?:^|[{,\s])([a-z][a-z0-9_]*):(?=[\s},]|$)")
_SNAKE: Final = re.compile(r"[a-z]+(?:_[a-z]+)+")
_SUFFIXES: Final = (".py", ".yaml", ".md", ".cfg", ".toml", ".deb", "/")
_VARIABLE: Final = re.compile(r"hci0|lock_01|\b8 s\b|\.\.\.")


def written(document: Path) -> str:
    """All of it."""
    return document.read_text(encoding="utf-8")


def spans(document: Path) -> list[str]:
    """What stands between single backquotes."""
    return _SPAN.findall(_FENCED.sub("", written(document)))


def typed(document: Path) -> list[str]:
    """What a reader may type: each line of a code block without a language, and each span."""
    blocks = [text for language, text in _FENCED.findall(written(document)) if not language]
    return [line.strip() for text in blocks for line in text.splitlines()] + spans(document)


def test_every_link_leads_to_a_file() -> None:
    dead = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in _LINK.findall(written(document))
        if "://" not in target and not (document.parent / target.partition("#")[0]).exists()
    ]
    assert not dead


# --- commands --------------------------------------------------------------------------------


def our_commands(document: Path) -> Iterator[list[str]]:
    """Each command of ours with a subcommand, as its words; without what a shell makes of it."""
    for line in typed(document):
        match = _OURS.search(line)
        if match is not None:
            words = shlex.split(re.split(r"[>|;&#)]", line[match.start(1) :])[0])
            yield words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_ours_is_understood(document: Path) -> None:
    for name, *arguments in our_commands(document):
        try:
            PARSERS[name]().parse_args([*arguments])
        except SystemExit:
            # named alone, `import-key` lacks its file; that there is such a thing must do
            (alone,) = arguments
            assert re.search(rf"^ +{alone}\b", PARSERS[name]().format_help(), re.M), (name, alone)


def test_the_readme_teaches_every_step_of_the_introduction() -> None:
    lines = typed(README)
    steps = [
        "sudo blelock-lock card > lock.card",
        "sudo blelock-issuer lock add lock.card",
        "sudo blelock-issuer card > issuer.card",
        "sudo blelock-lock trust issuer.card",
    ]
    assert [line for line in lines if line in steps] == steps


# --- make ------------------------------------------------------------------------------------


def test_every_make_target_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for document in DOCUMENTS:
        named = [re.match(r"(?:\w+=\S+ )*make ([a-z-]+)", line) for line in typed(document)]
        missing = {match[1] for match in named if match} - targets
        assert not missing, document.name


def would_run(*arguments: str) -> str:
    """What make would do, without doing it."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make here")
    command = [make, "--dry-run", "--no-print-directory", *arguments]
    # The make that runs these tests must not hand its own ARGS down.
    return subprocess.run(
        command, cwd=ROOT, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    ).stdout


def test_only_the_whole_of_the_tests_is_asked_to_cover_the_protocol() -> None:
    assert "--cov" in would_run("test")
    part = would_run("test", "ARGS=tests/services -x")
    assert "-m pytest" in part
    assert "tests/services -x" in part
    assert "--cov" not in part


# --- configuration ---------------------------------------------------------------------------


def entries_of_all() -> list[Entry]:
    """Every key of every role."""
    return [entry for of, _ in REFERENCE.values() for entry in entries(defaults(of))]


def options() -> set[str]:
    """Their names; the names in a mapping, which are upper-case there, are the operator's."""
    return {step for entry in entries_of_all() for step in entry.path if not step.isupper()}


MAPPINGS: Final = {e.path[-1] for e in entries_of_all() if e.type is EntryType.MAPPING}


def keys_in(value: object) -> Iterator[str]:
    """Every key, however deep; not the names that an operator gives."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            named = key in MAPPINGS and isinstance(below, dict)
            for part in below.values() if named else [below]:
                yield from keys_in(part)


@pytest.mark.parametrize("document", [README, ARCHITECTURE, ROOT / "keys/README.md"])
def test_every_option_is_one_of_the_configurations(document: Path) -> None:
    blocks = [text for language, text in _FENCED.findall(written(document)) if language == "yaml"]
    named = {key for block in blocks for key in keys_in(yaml.safe_load(block))}
    named |= {key for span in spans(document) for key in _KEY.findall(span)}
    assert not {key for key in named if not key.startswith("lock_")} - options()


def test_the_readmes_rules_are_a_policy() -> None:
    blocks = [text for language, text in _FENCED.findall(written(README)) if language == "yaml"]
    (access,) = (text for text in blocks if text.startswith("access:"))
    assert len(IssuerConfig.from_yaml(access, "README.md").access.policy().rules) == 2


def test_every_name_with_an_underscore_is_an_option_or_a_word_of_the_code() -> None:
    code = source() + " ".join(file.stem for file in (ROOT / "blelockd").rglob("*.py"))
    named = {span for d in (README, ARCHITECTURE) for span in spans(d) if _SNAKE.fullmatch(span)}
    assert len(named) > 3
    assert not {name for name in named - options() if not re.search(rf"\b{name}\b", code)}


# --- files -----------------------------------------------------------------------------------


def is_there(name: str) -> bool:
    """Whether a file of that name, or that end of a path, is in the tree or is made by it."""
    if name.startswith("dist/"):
        package = re.escape(Path(name).stem)
        return bool(re.search(rf"^Package: {package}$", written(ROOT / "debian/control"), re.M))
    name = name.removeprefix("../").removeprefix("/")
    if any((top / name).exists() for top in (ROOT, ROOT / "blelockd")):
        return True
    return "*" not in name and any((ROOT / "blelockd").rglob(name))


@pytest.mark.parametrize("document", [README, ARCHITECTURE])
def test_every_file_is_there(document: Path) -> None:
    words = {word for line in typed(document) for word in line.split()}
    named = {
        word.removeprefix("./").rstrip(";,.")
        for word in words
        if word.endswith(_SUFFIXES) and not re.match(r"[A-Z_]+=|/etc/blelock/?$", word)
    }
    assert named
    assert not sorted(name for name in named if not is_there(name))


# --- messages --------------------------------------------------------------------------------


def source() -> str:
    """The package's code, with literals that go on over lines joined."""
    code = "\n".join(written(file) for file in sorted((ROOT / "blelockd").rglob("*.py")))
    return re.sub(r'"\s*\n\s*f?"', "", code)


def test_every_message_in_troubleshooting_is_one_that_a_daemon_tells() -> None:
    section = written(README).split("## Troubleshooting", 1)[1].split("\n## ", 1)[0]
    told = [row.split("|")[1] for row in section.splitlines() if row.startswith("| ")][1:]
    messages = [message for cell in told for message in _SPAN.findall(cell)]
    code, reasons = source(), {reason.value for reason in Reason}
    assert len(messages) > 10
    for message in messages:
        parts = [part.strip() for part in _VARIABLE.split(message)]
        assert message in reasons or all(part in code for part in parts), message
