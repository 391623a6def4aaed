"""`--unit`: which systemd unit runs the daemon that a verb is asked about."""

from __future__ import annotations

import argparse
import re
from typing import Final

from blelockd.cli.configuration import CONFIG_DIRECTORY, C, Role

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.\\-]*(@[A-Za-z0-9:_.\\-]+)?")


def add_unit(role: Role[C], to: argparse.ArgumentParser) -> None:
    """Add --config, and --unit in place of the unit that goes with it."""
    role.add_config(to)
    to.add_argument(
        "--unit",
        metavar="UNIT",
        type=_unit,
        help="the systemd unit that runs the daemon (default: the package's own with that "
        "configuration)",
    )


def unit_of(role: Role[C], arguments: argparse.Namespace) -> str | None:
    """The unit that --unit names, or the package's that runs with --config; None: there is none."""
    given: str | None = arguments.unit
    if given is not None:
        return given
    if arguments.config == role.default_config:
        return role.command
    door = str(arguments.config.stem).removeprefix(f"{role.name}-")
    if role.name == "lock" and arguments.config == CONFIG_DIRECTORY / f"lock-{door}.yaml":
        return f"{role.command}@{door}"
    return None


def _unit(text: str) -> str:
    name = text.removesuffix(".service")
    if not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError("the name of a unit, such as blelock-lock@front")
    return name
