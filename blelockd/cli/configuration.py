"""`--config`, `check-config`, and the configuration as the other verbs see it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, Generic, TypeVar

from blelockd.cli.exits import Exit
from blelockd.cli.frame import Command, say
from blelockd.config import RoleConfig
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import LockId
from blelockd.services.issuer.access import person_name

C = TypeVar("C", bound=RoleConfig)

CONFIG_DIRECTORY: Final = Path("/etc/blelock")


class Role(Generic[C]):
    """Which of the three commands this is. `name` is issuer, lock or guest."""

    def __init__(self, name: str, of: type[C]) -> None:
        self.name = name
        self.of = of

    @property
    def command(self) -> str:
        """The name of its command."""
        return f"blelock-{self.name}"

    @property
    def default_config(self) -> Path:
        """Where its configuration is unless --config says otherwise."""
        return CONFIG_DIRECTORY / f"{self.name}.yaml"

    def load(self, arguments: argparse.Namespace) -> C:
        """The configuration that --config names; raises ConfigErrors."""
        path: Path = arguments.config
        return self.of.load(path)

    def add_config(self, to: argparse.ArgumentParser) -> None:
        """Add --config."""
        to.add_argument(
            "--config",
            metavar="FILE",
            type=Path,
            default=self.default_config,
            help="the configuration (default: %(default)s)",
        )


def lock_id(text: str) -> LockId:
    """The type of a LOCK_ID argument, for argparse."""
    try:
        return LockId.parse(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.reason) from error


def person(text: str) -> str:
    """The type of a PERSON argument, for argparse."""
    try:
        return person_name(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.reason) from error


def check_config(role: Role[C]) -> Command:
    """The verb that checks a configuration."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument(
            "file",
            metavar="FILE",
            type=Path,
            nargs="?",
            help="the configuration, as with --config",
        )

    def run(arguments: argparse.Namespace) -> int:
        path: Path = arguments.file or arguments.config
        role.of.load(path)
        say(f"{path}: no errors")
        return Exit.OK

    return Command(
        name="check-config",
        summary="check the configuration without running anything",
        about="Check the whole configuration and tell every error in it at once, each with its "
        "line, what was found and what was expected. Touches no device, key or network.",
        example=f"{role.command} check-config {role.default_config}",
        run=run,
        add_arguments=add_arguments,
    )
