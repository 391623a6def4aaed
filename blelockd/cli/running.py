"""`run`: hand over to the role, whose libraries are imported only here."""

from __future__ import annotations

import argparse
import asyncio
import importlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from blelockd.adapters.journal import MODES
from blelockd.cli.configuration import C, Role
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command

RunRole = Callable[..., Coroutine[Any, Any, int]]


def run(role: Role[C], about: str) -> Command:
    """The verb that runs the daemon in the foreground."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument(
            "--log",
            choices=MODES,
            default="auto",
            help="how to tell what happens: journal (with fields, under systemd), text, json "
            "(one object a line), or auto: journal where standard error leads to it, else text "
            "(default: %(default)s)",
        )

    def doing(arguments: argparse.Namespace) -> int:
        role.load(arguments)  # an error in the file is told before the radio's libraries load
        return asyncio.run(_role(role.name, arguments.config, arguments.log))

    return Command(
        name="run",
        summary="run the daemon in the foreground",
        about=f"{about}\nSIGTERM ends it, SIGHUP makes it read its configuration again.",
        example=f"{role.command} run --config ./{role.name}.yaml --log text",
        run=doing,
        add_arguments=add_arguments,
    )


async def _role(name: str, path: Path, journal: str) -> int:
    from blelockd.adapters.pidfile import HeldByAnother
    from blelockd.services.ports import StrikeFailed

    run_role: RunRole = importlib.import_module(f"blelockd.roles.{name}").run
    try:
        return await run_role(path, journal=journal)
    except StrikeFailed as error:
        remedy = "see to strike.command there"
        raise Failure(f"{path}: {error.reason}", remedy, Exit.CONFIG) from error
    except HeldByAnother as error:
        raise _second(name, error.path, error.pid) from error


def _second(name: str, path: Path, pid: int | None) -> Failure:
    who, look = f"process {pid}", f"systemctl status {pid}"
    if pid is None:  # a full disk did not take its number
        who, look = "a process", f"fuser -v {path}"
    problem = f"another blelock-{name} runs here already: {who} holds {path}"
    remedy = f"`{look}` says which; leave the work to it, or stop it before"
    return Failure(problem, remedy, Exit.TEMPORARY)
