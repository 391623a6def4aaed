"""`broker-config`: all that a mosquitto between this issuer and its locks needs, and what to do."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from blelockd.adapters.mosquitto import (
    BROKER_DIRECTORY,
    CA_FILE,
    ISSUER,
    Authority,
    BrokerKit,
    Known,
    Machine,
    read_known,
    write,
)
from blelockd.cli.configuration import Role
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.issuing.store import locks_kept
from blelockd.config import IssuerConfig

STEPS_FILE: Final = "STEPS.txt"

_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")

_ABOUT: Final = (
    "Make the files for a mosquitto that carries sessions between this issuer and its locks: a "
    "certificate for TLS, by an authority of its own; a password for each of them; an access list "
    "by which a lock reaches its own topics only. They go to a new directory, readable for you "
    "alone, with the steps that bring them to their machines; nothing else is changed.\n"
    "With --keep, after a lock was added or before the certificate runs out: machines that "
    "have their files go on with them. To give one a new password, delete its line in "
    "EARLIER/broker/passwords first."
)


def broker_config(role: Role[IssuerConfig]) -> Command:
    """The verb that prepares a broker for the locks that the issuer knows."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument(
            "--keep",
            metavar="EARLIER",
            type=Path,
            help="the directory that this command made before, whose authority and passwords stay",
        )
        to.add_argument(
            "host",
            metavar="HOST",
            type=_host,
            help="the broker's name or address, as issuer and locks will reach it",
        )
        to.add_argument("directory", metavar="DIRECTORY", type=Path, help="the directory to make")

    def run(arguments: argparse.Namespace) -> int:
        config = role.load(arguments)
        locks = list(dict.fromkeys([*locks_kept(config), *(lock.lock_id for lock in config.locks)]))
        if not locks:
            remedy = f"`{role.command} lock add CARD` for each, then try again"
            raise Failure("the issuer knows no locks yet", remedy, Exit.CONFIG)
        directory: Path = arguments.directory.absolute()
        now = datetime.now(UTC)
        earlier: Path | None = arguments.keep
        known = Known(Authority.found(now)) if earlier is None else read_known(earlier)
        kit = BrokerKit(arguments.host, locks, known, now)
        told = "\n".join(steps(kit, arguments.host, directory))
        write({**kit.files, STEPS_FILE: f"{told}\n".encode()}, directory)
        say(told)
        return Exit.OK

    return Command(
        name="broker-config",
        summary="make the files of a broker: TLS, passwords and access for each lock",
        about=_ABOUT,
        example="sudo blelock-issuer broker-config broker.example ./broker-kit",
        run=run,
        add_arguments=add_arguments,
    )


def _host(text: str) -> str:
    """The type of HOST: what a certificate can name."""
    try:
        address = ":" in text and ip_address(text)
    except ValueError:
        address = False
    if address or _NAME.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError("expected a host name or IP address, without a port")


# --- what to do with them ----------------------------------------------------------------------


def steps(kit: BrokerKit, host: str, directory: Path) -> Iterator[str]:
    """What the operator does, in order; what is to be typed or written is indented."""
    yield f"All of this is in {directory / STEPS_FILE}, too. Keep that directory secret."
    yield "Whatever is to be typed needs root: `sudo -i` makes you that."
    yield "\n1. The broker. Carry the directory broker/ to its machine, and type there, in it:\n"
    yield from _indented(_at_the_broker())
    for number, machine in enumerate(kit.newcomers, 2):
        yield ""
        yield from _at_a_client(number, machine, host)
    here = shlex.quote(str(directory))
    yield f"""
Afterwards
- A machine with several doors has a file and a unit for each: /etc/blelock/lock-DOOR.yaml and
  blelock-lock@DOOR, in place of lock.yaml and blelock-lock.
- Delete the copies that you carried. {here} stays, out of everybody's
  reach: whoever has it can pose as the broker, and has the passwords.
- The certificate is good until {kit.until:%Y-%m-%d}. Before that day, and for each
  lock that is new, type this, and follow the steps that it tells:

       blelock-issuer broker-config --keep {here} {host} NEW_DIRECTORY"""


def _at_the_broker() -> Iterator[str]:
    yield "apt install mosquitto"
    yield f"install -d {BROKER_DIRECTORY}"
    own = "install -o mosquitto -g mosquitto -m"
    yield f"{own} 600 passwords access server.key {BROKER_DIRECTORY}"
    yield f"{own} 644 server.crt {BROKER_DIRECTORY}"
    yield "install -m 644 blelock.conf /etc/mosquitto/conf.d"
    yield "systemctl restart mosquitto"


def _at_a_client(number: int, machine: Machine, host: str) -> Iterator[str]:
    role = "issuer" if machine.user == ISSUER else "lock"
    who = "The issuer" if role == "issuer" else f"The lock {machine.user}"
    command, target = f"blelock-{role}", machine.password_file
    yield f"{number}. {who}. Carry {machine.folder}/ to its machine, and type there, in it:\n"
    own = f"install -g {command} -m"
    yield from _indented(
        [
            f"{own} 640 {target.name} {target.parent}",
            f"{own} 644 {CA_FILE} {target.parent}",
        ]
    )
    yield f"\n   Let /etc/blelock/{role}.yaml say, in place of the `mqtt:` that is there:\n"
    yield from _indented(
        [
            "mqtt:",
            f"  host: {host}",
            f"  username: {machine.user}",
            f"  password_file: {target}",
            "  tls:",
            f"    ca_file: {target.parent / CA_FILE}",
        ]
    )
    yield "\n   Then let it be checked, and start it with that:\n"
    yield from _indented([f"{command} check-config", f"systemctl restart {command}"])


def _indented(lines: Iterator[str] | list[str]) -> Iterator[str]:
    return (f"       {line}" for line in lines)
