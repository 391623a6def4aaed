"""`--keep`: the system goes on running, and the audience is told what to type.

A line such as `guest 0.5` on standard input moves a phone: so many metres from the door.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from blelockd.virtual.demo.at_the_door import NEAR_METRES
from blelockd.virtual.demo.cast import LIFETIME_SECONDS, Cast
from blelockd.virtual.demo.play import Play
from blelockd.virtual.demo.reviews import show_cast
from blelockd.virtual.stage import LOCK_ID, command

PHONES: Final = ("guest", "visitor")
STDIN: Final = 0
LARGEST_READ: Final = 4096


async def stay(play: Play, leave: asyncio.Event, stdin: int = STDIN) -> None:
    """Leave everything running until `leave` is set."""
    play.cast.let_sessions_last(LIFETIME_SECONDS)
    play.cast.stand("visitor", NEAR_METRES)
    narrator = play.narrator
    show_cast(narrator, play.cast)
    narrator.show()
    narrator.say("Everything goes on running until Ctrl-C. What to type, in another terminal:")
    for what, line in _lines(play.cast):
        narrator.show()
        narrator.say(f"{what}:")
        narrator.show(narrator.fit(f"  {line}"), is_long=True)
    narrator.show()
    narrator.say("Here: `guest 0.5` puts the guest's phone 0.5 m from the door.")
    narrator.show()
    with _listening(play, stdin):
        await leave.wait()


def _lines(cast: Cast) -> Iterator[tuple[str, str]]:
    """What can be done, and how."""
    broker, lock = cast.stage.broker, cast.lock
    issuer_bus, visitor_bus = (
        f"DBUS_SYSTEM_BUS_ADDRESS={cast.stage.air.hosts[name].bus_address}"
        for name in ("issuer", "visitor")
    )
    yield (
        f"open the door by hand, as the visitor, who stands {NEAR_METRES:g} m from it",
        f"{visitor_bus} {command('guest')} unlock {LOCK_ID} --config {cast.visitor} --seconds 5",
    )
    yield "read the lock's events as they come (the others' are beside it)", f"tail -f {lock.log}"
    yield (
        "change the lock, such as its rssi_threshold_dbm, and have it read its file again",
        f"${{EDITOR:-vi}} {lock.config}; kill -HUP {lock.pid}",
    )
    yield (
        "see the sessions pass at the broker (apt install mosquitto-clients)",
        f"mosquitto_sub -h {broker.host} -p {broker.port} -t 'locks/#' -v",
    )
    yield (
        "see what any BlueZ program sees of the issuer (apt install bluez)",
        f"{issuer_bus} bluetoothctl show",
    )


@contextmanager
def _listening(play: Play, stdin: int) -> Iterator[None]:
    """Do what is typed, where anything can be typed."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            typed = os.read(stdin, LARGEST_READ)
        except OSError:  # the terminal is gone, or another's
            typed = b""
        if not typed:
            loop.remove_reader(stdin)
        for line in typed.decode(errors="replace").splitlines():
            _do(play, line)

    # In the background of a shell reading fails then, where it would stop the whole play.
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    try:
        loop.add_reader(stdin, read)
    except OSError:  # epoll takes no plain files and no closed descriptors: nobody will type there
        yield
        return
    try:
        yield
    finally:
        loop.remove_reader(stdin)


def _do(play: Play, line: str) -> None:
    who, _, metres = line.strip().partition(" ")
    try:
        distance = float(metres)
        if who not in PHONES or not 0.01 <= distance <= 100_000:
            raise ValueError
    except ValueError:
        phones = " or ".join(PHONES)
        play.act("demo", f"understands `PHONE METRES`: {phones}, and more than 0 metres")
        return
    play.walk(who, distance)
