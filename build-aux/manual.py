"""Writes the manual pages from what the programs know of themselves: `manual.py DIRECTORY`.

blelock-ROLE(8) comes from the command's verbs, blelock-ROLE.yaml(5) from the declared options.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from blelockd import __version__  # noqa: E402 - this checkout's, not an installed one
from blelockd.cli import guest, issuer, lock  # noqa: E402
from blelockd.cli.exits import STATUSES_TOLD  # noqa: E402
from blelockd.cli.keys import OWN_KEYS  # noqa: E402
from blelockd.config.reference import ROLES, Entry, EntryType, defaults, entries  # noqa: E402

COMMANDS = {"issuer": issuer, "lock": lock, "guest": guest}


def escaped(text: str) -> str:
    """`text` as roff shows it, whatever it begins with."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in safe.split("\n"))


def prose(text: str) -> str:
    """Running text: `code` in bold, everything else filled by roff."""
    parts = re.split(r"`([^`]*)`", text)
    return "".join(
        f"\\fB{escaped(part)}\\fR" if odd else escaped(part)
        for odd, part in ((number % 2, part) for number, part in enumerate(parts))
    )


def verbatim(text: str) -> str:
    """Lines as they are."""
    return f".PP\n.nf\n.RS 4\n{escaped(text)}\n.RE\n.fi"


def head(name: str, section: int, summary: str) -> str:
    """The page's title and its NAME."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    date = time.strftime("%Y-%m-%d", time.gmtime(epoch))
    return (
        f'.TH "{escaped(name.upper())}" {section} "{date}" "blelock {__version__}" "blelock"\n'
        f".SH NAME\n{escaped(name)} \\- {escaped(summary)}"
    )


# --- blelock-ROLE(8) ---------------------------------------------------------------------------


def verbs_of(
    top: argparse.ArgumentParser, before: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The parsers of a command's verbs, those of a group behind it: `guest`, `guest invite`."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, verb in action.choices.items():
                yield f"{before}{name}", verb
                yield from verbs_of(verb, f"{before}{name} ")


def argument(action: argparse.Action, to: argparse.ArgumentParser) -> str:
    """One option or operand of a verb."""
    names = ", ".join(f"\\fB{escaped(name)}\\fR" for name in action.option_strings)
    value = action.metavar or "|".join(map(str, action.choices or [])) or action.dest.upper()
    takes = action.nargs != 0
    shown = f"{names} \\fI{escaped(str(value))}\\fR".strip() if takes else names
    text = to._get_formatter()._expand_help(action)
    return f".TP\n{shown}\n{prose(text)}"


def verb_section(name: str, verb: argparse.ArgumentParser) -> Iterator[str]:
    """A verb: how it is called, what it does, its arguments."""
    usage = " ".join(verb.format_usage().split()).removeprefix("usage: ")
    yield f".SS {escaped(name)}\n{verbatim(usage.replace(' [-h] [--version]', ''))}"
    yield f".PP\n{prose(verb.description or '')}"
    for action in verb._actions:
        if action.dest not in ("help", "version") and action.nargs != argparse.PARSER:
            yield argument(action, verb)
    example, told, _ = (verb.epilog or "").partition("\n\n")
    if told:  # a verb that only has others has none
        example = textwrap.dedent(example.removeprefix("example:\n"))
        yield f".PP\nExample:\n{verbatim(example)}"


def files_of(role: str) -> str:
    """What is where on an installed system."""
    keys = [
        (f"/etc/blelock/keys/{own.file}", f"{own.what}; readable for root alone")
        for own in OWN_KEYS[role]
    ]
    rows = [
        (f"/etc/blelock/{role}.yaml", f"the configuration, blelock-{role}.yaml(5)"),
        *keys,
        (f"/etc/blelock/keys/{role}.pem", "the key of version 1, readable for root alone"),
        (f"/etc/blelock/keys/{role}.pub", "its public half"),
        (f"/usr/share/doc/blelock-{role}/README.Debian", "first steps, and what may be adapted"),
    ]
    if role == "lock":
        rows.insert(1, ("/etc/blelock/lock-NAME.yaml", "that of `blelock-lock@NAME.service`"))
    return "\n".join(f".TP\n.I {escaped(path)}\n{prose(text)}" for path, text in rows)


def command_page(role: str) -> str:
    """blelock-ROLE(8)."""
    top = COMMANDS[role].parser()
    name = f"blelock-{role}"
    description = top.description or ""
    parts = [
        head(name, 8, description[0].lower() + description[1:].rstrip(".")),
        f".SH SYNOPSIS\n.B {escaped(name)}\n.I COMMAND\n.RI [ ARGUMENTS ]",
        f".SH DESCRIPTION\n{prose(description)}\n.PP\nAs a service it is "
        f"\\fB{escaped(name)}.service\\fR: its journal is "
        f"\\fBjournalctl \\-u {escaped(name)}\\fR, and each event has the fields BLELOCK_EVENT and "
        f"MESSAGE_ID;\n\\fBjournalctl \\-x\\fR explains them.",
        ".SH COMMANDS",
    ]
    for verb, parser in verbs_of(top):
        parts += verb_section(verb, parser)
    _, statuses = STATUSES_TOLD.split("\n", 1)
    parts += [
        f".SH EXIT STATUS\n{verbatim(textwrap.dedent(statuses))}",
        f".SH FILES\n{files_of(role)}",
        ".SH SEE ALSO",
        *(f".BR blelock\\-{other} (8)," for other in COMMANDS if other != role),
        f".BR {escaped(name)}.yaml (5),\n.BR bluetoothd (8),\n.BR journalctl (1)",
    ]
    return "\n".join(parts) + "\n"


# --- blelock-ROLE.yaml(5) ----------------------------------------------------------------------


def option(entry: Entry) -> str:
    """One key, with what it takes and what it is by default."""
    told = [prose(entry.about)]
    if entry.expected:
        told.append(f".br\nTakes {prose(entry.expected)}.")
    if entry.required:
        told.append(".br\nRequired.")
    elif entry.default and entry.type is EntryType.VALUE:
        told.append(f".br\nDefault: \\fB{escaped(entry.default)}\\fR.")
    if entry.example and (entry.required or entry.example != entry.default):
        told.append(f".br\nFor example \\fB{escaped(entry.example)}\\fR.")
    if entry.type is not EntryType.SECTION:
        told.append(f".br\nTaken up by a {'reload' if entry.reloads else 'restart only'}.")
    return f".TP\n.B {escaped('.'.join(entry.path))}\n" + "\n".join(told)


def configuration_page(role: str) -> str:
    """blelock-ROLE.yaml(5)."""
    of, _ = ROLES[role]
    parts = [
        head(f"blelock-{role}.yaml", 5, f"configuration of blelock-{role}"),
        f".SH SYNOPSIS\n.I /etc/blelock/{role}.yaml",
        ".SH DESCRIPTION\n"
        f"A YAML file. \\fBblelock\\-{role} check\\-config\\fR checks the whole of it without "
        "running anything, and names each error with its line. A section's keys are shown after "
        "its name and a dot; in the file they are indented below it.\n.PP\n"
        f"\\fBsystemctl reload blelock\\-{role}\\fR takes up the options that say so, and changes "
        "nothing if the file has an error.",
        ".SH OPTIONS",
        *map(option, entries(defaults(of, by_name=True))),
        f".SH SEE ALSO\n.BR blelock\\-{role} (8)",
    ]
    return "\n".join(parts) + "\n"


def main(directory: Path) -> None:
    """Write every page."""
    directory.mkdir(parents=True, exist_ok=True)
    for role in COMMANDS:
        (directory / f"blelock-{role}.8").write_text(command_page(role))
        (directory / f"blelock-{role}.yaml.5").write_text(configuration_page(role))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
