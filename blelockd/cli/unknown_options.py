"""What is said of an option that a command does not have: what may be meant, and where it stands.

argparse would tell it last, after whatever else is missing, and in the name of the whole command.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from blelockd.config.kinds import near_miss

Parsers = Mapping[str, argparse.ArgumentParser]


def refuse_unknown_options(top: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Return if each option in `words` is one of the verb that it stands behind.

    Else end as the parser does that it stands behind, for the first one.
    """
    verbs = _verbs_of(top)
    for place, word in enumerate(words):
        if word in ("--", "-h", "--help", "--version"):
            return
        if verbs and not word.startswith("-"):
            if word in verbs:
                refuse_unknown_options(verbs[word], words[place + 1 :])
            return
        name, _, _ = word.partition("=")
        if name.startswith("--") and name not in _options_of(top):
            top.error(_told(top, name, next((word for word in words if word in verbs), "COMMAND")))


def _told(at: argparse.ArgumentParser, option: str, verb: str) -> str:
    behind = list(_options_behind(at))
    if option in behind:
        return f"{option} stands behind the command: `{at.prog} {verb} {option} ...`"
    meant = near_miss(option, _options_of(at)) or near_miss(option, behind)
    return f"there is no option {option}" + (f"; {meant}" if meant else "")


def _options_of(parser: argparse.ArgumentParser) -> list[str]:
    """All but --version, which is too like --person to be meant, and is met before."""
    names = [option for action in parser._actions for option in action.option_strings]
    return [name for name in names if name != "--version"]


def _options_behind(parser: argparse.ArgumentParser) -> Iterator[str]:
    for verb in _verbs_of(parser).values():
        yield from _options_of(verb)
        yield from _options_behind(verb)


def _verbs_of(parser: argparse.ArgumentParser) -> Parsers:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}
