"""`blelock-lock calibrate`: what the lock hears near and far, and which thresholds follow."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from blelockd.cli.calibrating import words
from blelockd.cli.calibrating.live import Screen
from blelockd.cli.configuration import Role
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.config import LockConfig
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import BluetoothAddress
from blelockd.services.lock.calibration import Heard, Place, place, propose
from blelockd.services.lock.signals import Signal

_USUAL_SECONDS: Final = 30.0
_USUAL_PAUSE_SECONDS: Final = 10.0
_LONGEST_SECONDS: Final = 3600.0
_REFRESH_SECONDS: Final = 0.25
_PLACES: Final = (
    ("near", "Stand where the door shall open, the phone where you carry it"),
    ("far", "Now stand where it shall not open: inside, or across the street"),
)


def calibrate(role: Role[LockConfig]) -> Command:
    """The verb that measures."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        role.add_config(to)
        to.add_argument(
            "--address",
            type=_address,
            metavar="ADDRESS",
            help="watch what this Bluetooth address sends, whatever it is, in place of known "
            "tokens; the daemon need not run",
        )
        to.add_argument(
            "--seconds",
            type=_seconds,
            default=_USUAL_SECONDS,
            help="how long to listen at each place (default: %(default)g)",
        )
        to.add_argument(
            "--pause",
            type=_seconds,
            help="ask nobody to press Enter: begin near at once, and after so many seconds to walk "
            f"there, far (where standard input is no terminal: {_USUAL_PAUSE_SECONDS:g})",
        )
        to.add_argument("--json", action="store_true", help="print one JSON object")
        to.add_argument("--picture", metavar="FILE", type=Path, help="draw what was heard: an SVG")

    def run(arguments: argparse.Namespace) -> int:
        picture: Path | None = arguments.picture
        if picture is not None and not os.access(picture.absolute().parent, os.W_OK):
            raise _not_drawn(picture, "there is no such directory, or it may not be written to")
        return asyncio.run(_Calibration(role.load(arguments), arguments).run())

    return Command(
        name="calibrate",
        summary="show live how a guest is heard, and propose thresholds",
        about="Show how loud the guest is heard whose tokens the lock knows, and how much is lost "
        "on the way: first where the door shall open, then where it shall not. Proposes what "
        "`nearness:` and `rssi_threshold_dbm:` of lock.yaml should be, and changes nothing. It "
        "runs beside the daemon, which tells it what it hears, so the guest must have a session: "
        "`blelock-guest run` or `unlock`. With --address it scans by itself, beside the daemon or "
        "without it: BlueZ serves both. "
        f"Ends with {Exit.NO.value} where near and far cannot be told apart, or too "
        "little was heard.",
        example="sudo blelock-lock calibrate --picture ./door.svg",
        run=run,
        add_arguments=add_arguments,
    )


def _address(text: str) -> BluetoothAddress:
    try:
        return BluetoothAddress.parse(text)
    except Malformed as error:
        raise argparse.ArgumentTypeError(error.reason) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError("a number of seconds, more than 0, at most 3600")
    return seconds


class _Calibration:
    def __init__(self, config: LockConfig, arguments: argparse.Namespace) -> None:
        self._config = config
        self._arguments = arguments
        self._pause = arguments.pause
        if self._pause is None and not sys.stdin.isatty():
            self._pause = _USUAL_PAUSE_SECONDS
        self._heard: list[Heard] = []
        self._began = 0.0

    async def run(self) -> int:
        from blelockd.adapters.signal_feed import NoFeed
        from blelockd.services.ports import LinkDown

        try:
            async with self._source() as signals:
                near, far = await self._both_places(signals)
        except NoFeed as error:
            remedy = (
                "start it, `sudo systemctl start blelock-lock`, and ask as root; or watch a phone "
                "without it: --address"
            )
            raise Failure(f"no signals: {error.reason}", remedy, Exit.UNAVAILABLE) from error
        except LinkDown as error:
            remedy = "`sudo blelock-lock doctor` looks at what may be wrong"
            raise Failure(f"no signals: {error.reason}", remedy, Exit.UNAVAILABLE) from error
        return self._conclude(place(near), place(far), near, far)

    def _source(self) -> AbstractAsyncContextManager[AsyncIterator[Signal]]:
        from blelockd.roles.calibrate import known_tokens, one_address

        address = self._arguments.address
        if address is None:
            return known_tokens(self._config)
        return one_address(self._config, address, self._tell)

    async def _both_places(
        self, signals: AsyncIterator[Signal]
    ) -> tuple[Sequence[Heard], Sequence[Heard]]:
        self._began = asyncio.get_running_loop().time()
        listening = asyncio.create_task(self._listen(signals))
        try:
            places = []
            for number, (name, where) in enumerate(_PLACES):
                await self._get_ready(where, listening, first=number == 0)
                places.append(await self._measure(name, listening))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return places[0], places[1]

    async def _listen(self, signals: AsyncIterator[Signal]) -> None:
        async for signal in signals:
            self._heard.append(Heard(self._now(), signal))

    async def _get_ready(self, where: str, listening: asyncio.Task[None], *, first: bool) -> None:
        if self._pause is None:
            self._tell(f"{where}, and press Enter.")
            await _first_of(asyncio.ensure_future(_line()), listening)
        elif first:
            self._tell(f"{where}.")
        else:
            self._tell(f"{where}: in {self._pause:g} s it begins.")
            await _first_of(asyncio.ensure_future(asyncio.sleep(self._pause)), listening)

    async def _measure(self, name: str, listening: asyncio.Task[None]) -> Sequence[Heard]:
        began, since = self._now(), len(self._heard)
        until = began + self._arguments.seconds
        with Screen(name, is_shown=not self._arguments.json) as screen:
            while (left := until - self._now()) > 0:
                pause = asyncio.ensure_future(asyncio.sleep(min(left, _REFRESH_SECONDS)))
                await _first_of(pause, listening)
                screen.show(self._heard[since:], left)
        mine, others = words.loudest_sender(self._heard[since:])
        if others:
            self._tell(f"left out: {others} other sender{'' if others == 1 else 's'}")
        here = [Heard(each.seconds - began, each.signal) for each in mine]
        self._tell(f"{name}: {words.of_place(place(here))}")
        return here

    def _conclude(
        self, near: Place, far: Place, near_heard: Sequence[Heard], far_heard: Sequence[Heard]
    ) -> int:
        proposal = propose(near, far)
        picture: Path | None = self._arguments.picture
        if picture is not None:
            drawn = words.picture(str(self._config.lock_id), near_heard, far_heard, proposal)
            try:
                picture.write_text(drawn, encoding="utf-8")
            except OSError as error:
                raise _not_drawn(picture, error.strerror or str(error)) from error
        if self._arguments.json:
            told = words.as_object(str(self._config.lock_id), near, far, proposal)
            say(json.dumps(told, ensure_ascii=False))
        else:
            say(words.of_proposal(near, far, proposal))
            if picture is not None:
                say(f"the picture is {picture}")
        return Exit.OK if words.is_of_use(proposal) else Exit.NO

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _tell(self, text: str) -> None:
        """What is for the person, not for a program that reads standard output."""
        if self._arguments.json:
            print(text, file=sys.stderr, flush=True)
        else:
            say(text)


def _not_drawn(picture: Path, why: str) -> Failure:
    return Failure(f"{picture}: {why}", "name another file: --picture", Exit.IO)


async def _first_of(waited: asyncio.Future[None], listening: asyncio.Task[None]) -> None:
    """`waited` is over; raises what ended the listening before."""
    await asyncio.wait({waited, listening}, return_when=asyncio.FIRST_COMPLETED)
    if not waited.done():
        waited.cancel()
        listening.result()
    await waited


async def _line() -> None:
    """Enter was pressed. In a thread of its own, which Ctrl-C need not wait for."""
    loop = asyncio.get_running_loop()
    entered: asyncio.Future[str] = loop.create_future()

    def tell(text: str) -> None:
        if not entered.done():
            entered.set_result(text)

    def read() -> None:
        text = sys.stdin.readline()
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, text)

    threading.Thread(target=read, daemon=True).start()
    if not await entered:
        problem, remedy = "nobody is there to press Enter", "ask nobody: --pause"
        raise Failure(problem, remedy, Exit.USAGE)
