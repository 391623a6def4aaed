"""The frame of every command: parse, run, and turn whatever happens into an exit status."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, TextIO

from blelockd import __version__
from blelockd.adapters.keyring import KeyFileError
from blelockd.cli.exits import STATUSES_TOLD, Exit, Failure, failure_of
from blelockd.cli.unknown_options import refuse_unknown_options
from blelockd.config import ConfigErrors
from blelockd.config.kinds import near_miss

# What a disk or a reader does to us, with PYTHONUNBUFFERED already in the midst of a command.
_OF_THE_MACHINE: Final = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)

_WIDEST: Final = 78
_EPILOG: Final = f"""\
`{{name}} COMMAND --help` explains a command.

tab completion in bash (package python3-argcomplete):
  eval "$(register-python-argcomplete {{name}})"

{STATUSES_TOLD}"""

Run = Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One verb: its name, a line for the list of verbs, its help with an example, its doing."""

    name: str
    summary: str
    about: str
    example: str
    run: Run
    add_arguments: Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class Group:
    """A verb that has verbs of its own, as `guest` has `guest invite`."""

    name: str
    summary: str
    about: str
    commands: tuple[Command, ...]


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser that names the remedy in place of repeating the usage."""

    def _check_value(self, action: argparse.Action, value: object) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if meant := near_miss(str(value), map(str, action.choices or ())):
                error.message += f"; {meant}"
            raise

    def error(self, message: str) -> NoReturn:
        self.exit(Exit.USAGE, f"{self.prog}: {printable(message)}\n  try `{self.prog} --help`\n")


def _help(prog: str) -> argparse.HelpFormatter:
    """No line is wider than people read, however wide the terminal is."""
    columns = min(_WIDEST, shutil.get_terminal_size().columns - 2)
    return argparse.RawDescriptionHelpFormatter(prog, width=columns)


def parser(name: str, about: str, commands: Sequence[Command | Group]) -> argparse.ArgumentParser:
    """The parser of the command `name` with all its verbs."""
    top = _Parser(
        prog=name,
        description=_filled(about),
        epilog=_EPILOG.format(name=name),
        formatter_class=_help,
        allow_abbrev=False,
    )
    _add_version(top, name)
    _add_verbs(top, name, commands)
    return top


def _add_verbs(to: argparse.ArgumentParser, name: str, commands: Sequence[Command | Group]) -> None:
    verbs = to.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        explained = f"`{name} --help` lists the exit statuses."
        if isinstance(command, Command):
            explained = f"example:\n{_indented(command.example)}\n\n{explained}"
        verb = verbs.add_parser(
            command.name,
            help=command.summary,
            description=_filled(command.about),
            epilog=explained,
            formatter_class=_help,
            allow_abbrev=False,
        )
        _add_version(verb, name)
        if isinstance(command, Group):
            _add_verbs(verb, name, command.commands)
        else:
            command.add_arguments(verb)
            verb.set_defaults(run=command.run, verb=verb)


def verbs_of(
    commands: Sequence[Command | Group], before: str = ""
) -> Iterator[tuple[str, Command]]:
    """Every verb that does something, with its whole name: `guest invite`."""
    for command in commands:
        name = f"{before}{command.name}"
        if isinstance(command, Group):
            yield from verbs_of(command.commands, f"{name} ")
        else:
            yield name, command


def _add_version(to: argparse.ArgumentParser, name: str) -> None:
    to.add_argument(
        "--version",
        action="version",
        version=f"{name} {__version__}",
        help="show the version and exit",
    )


def _filled(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(textwrap.fill(line, _WIDEST, break_on_hyphens=False) for line in lines)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def main(top: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Run the command in `argv` (None: the process's own) and return its exit status."""
    _replace_closed_streams()
    try:
        try:
            _complete(top)
            return _run(top.prog, _parsed(top, sys.argv[1:] if argv is None else argv))
        finally:
            print(end="", flush=True)  # here, where a reader that has gone is no surprise
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _give_up_on(sys.stdout)
        return Exit.BROKEN_PIPE
    except OSError as error:
        _give_up_on(sys.stdout)
        problem = f"cannot write: {os.strerror(error.errno or 0).lower()}"
        return _tell(top.prog, Failure(problem, "see to the disk", Exit.IO))


def _parsed(top: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """What the words mean; ends with Exit.USAGE for one too many, in the name of its verb."""
    refuse_unknown_options(top, argv)
    arguments, left = top.parse_known_args(argv)
    if left:
        verb: argparse.ArgumentParser = arguments.verb
        verb.error(f"unrecognized arguments: {' '.join(left)}")
    return arguments


def _run(name: str, arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.run(arguments)
        return status
    except Failure as failure:
        return _tell(name, failure)
    except (KeyFileError, ConfigErrors) as error:
        return _tell(name, failure_of(error, name))
    except Exception as error:  # the last frame: what nobody expected is a fault of ours
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            raise
        traceback.print_exc()
        fault = Failure("this is a fault of the program", "report it with the above", Exit.SOFTWARE)
        return _tell(name, fault)


def _tell(name: str, failure: Failure) -> int:
    told = f"{name}: {failure.problem}"
    if failure.remedy:
        told += f"\n{_indented(failure.remedy)}"
    note(told)
    return failure.status


def say(text: str) -> None:
    """Tell on standard output, at once: a reader of a pipe waits for each step."""
    print(printable(text), flush=True)


def note(text: str) -> None:
    """Tell on standard error what is about the output, and no part of it."""
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except OSError:  # nobody reads it; the rest is told all the same
        _give_up_on(sys.stderr)


def printable(text: str) -> str:
    """`text` with whatever a terminal would obey, or could not show, as an escape; lines stay."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _replace_closed_streams() -> None:
    """Whoever closed one gets an empty one: else the next file, a key, would take its number."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the process's life


def _give_up_on(stream: TextIO) -> None:
    """Give what is still unwritten a place to go, or Python's own end fails with status 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


_COMPLETING: Final = "_ARGCOMPLETE"  # set by the shell's completion function


def _complete(top: argparse.ArgumentParser) -> None:
    if _COMPLETING not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:  # a convenience, not a dependency
        return
    argcomplete.autocomplete(top)
