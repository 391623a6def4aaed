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
from blelockd.virtual.demo.cast import Cast
from blelockd.virtual.demo.enrolment import BOB
from blelockd.virtual.demo.play import Play
from blelockd.virtual.demo.reviews import show_cast
from blelockd.virtual.stage import LOCK_ID, command

PHONES: Final = ("guest", "visitor")
STDIN: Final = 0
NEAREST_METRES: Final = 0.01
FARTHEST_METRES: Final = 100_000
LARGEST_READ: Final = 4096
READ_AGAIN_SECONDS: Final = 1.0


async def stay(play: Play, leave: asyncio.Event, stdin: int = STDIN) -> None:
    """Leave everything running until `leave` is set."""
    if play.cast.speaks_v1:
        await _end_version_1(play)
    play.cast.stand("visitor", NEAR_METRES)
    narrator = play.narrator
    show_cast(narrator, play.cast)
    narrator.show()
    narrator.say(
        f"Everything goes on running until Ctrl-C, or `kill {os.getpid()}` from elsewhere: then it "
        "cleans up. What to type, in another terminal:"
    )
    for what, line in _lines(play.cast):
        narrator.show()
        narrator.say(f"{what}:")
        narrator.show(narrator.fit(f"  {line}"), is_long=True)
    narrator.show()
    narrator.say("Here: `guest 0.5` puts Ada's phone 0.5 m from the door.")
    narrator.show()
    with _listening(play, stdin):
        await leave.wait()


async def _end_version_1(play: Play) -> None:
    """What follows is to be tried as it is shipped. Raises Stumble."""
    play.mark()
    play.narrator.show()
    play.act("operator", "writes `compat_v1: false` again, and restarts issuer and lock")
    await play.cast.speak_v1(False)
    await play.up(play.cast.lock, "time")
    await play.up(play.cast.issuer, "beacon")


def _lines(cast: Cast) -> Iterator[tuple[str, str]]:
    """What can be done, and how."""
    broker, lock, issuer = cast.stage.broker, cast.lock, cast.machines["issuer"].config
    issuer_bus, lock_bus, visitor_bus = (
        f"DBUS_SYSTEM_BUS_ADDRESS={cast.stage.air.hosts[name].bus_address}"
        for name in ("issuer", "lock", "visitor")
    )
    operator, visitor = command("issuer"), cast.machines["visitor"].config
    yield (
        f"open the door by hand, as {BOB}, whose phone is {NEAR_METRES:g} m from it",
        f"{visitor_bus} {command('guest')} unlock {LOCK_ID} --config {visitor} --seconds 5",
    )
    yield (
        f"suspend {BOB}, and see that the door stays shut then (`resume` lets him in again)",
        f"{operator} guest suspend {BOB} --config {issuer}",
    )
    yield "invite somebody else", f"{operator} guest invite Eve --locks {LOCK_ID} --config {issuer}"
    yield "read who did what, and when", f"{operator} audit --config {issuer}"
    yield (
        "have one event's whole story told: EVENT-ID is what `audit` shows first in a line",
        f"{operator} why EVENT-ID --config {issuer}",
    )
    yield (
        "have the lock examined, and be told what is wrong and what to do",
        f"{lock_bus} {command('lock')} doctor --config {lock.config}",
    )
    yield "read the lock's events as they come (the others' are beside it)", f"tail -f {lock.log}"
    yield (
        "change the lock, such as its rssi_threshold_dbm, and have it read its file again",
        f"${{EDITOR:-vi}} {lock.config}; kill -HUP {lock.pid}",
    )
    yield (
        "see that what passes at the broker is sealed (apt install mosquitto-clients)",
        f"mosquitto_sub -h {broker.host} -p {broker.port} -t 'locks/#' -F '%t %l bytes %x'",
    )
    yield (
        "see what any BlueZ program sees of the issuer (apt install bluez)",
        f"{issuer_bus} bluetoothctl show",
    )


@contextmanager
def _listening(play: Play, stdin: int) -> Iterator[None]:
    """Do what is typed, where anything can be typed."""
    loop = asyncio.get_running_loop()
    again: asyncio.TimerHandle | None = None

    def read() -> None:
        nonlocal again
        try:
            typed = os.read(stdin, LARGEST_READ)
        except OSError:  # the terminal is another's until `fg`, or gone
            loop.remove_reader(stdin)
            again = loop.call_later(READ_AGAIN_SECONDS, loop.add_reader, stdin, read)
            return
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
        if again is not None:
            again.cancel()
        loop.remove_reader(stdin)


def _do(play: Play, line: str) -> None:
    who, _, metres = line.strip().partition(" ")
    if who not in PHONES:
        phones = " or ".join(PHONES)
        play.act("demo", f"knows no phone `{who}`: type {phones}, and how many metres it is away")
        return
    try:
        distance = float(metres)
        if not NEAREST_METRES <= distance <= FARTHEST_METRES:
            raise ValueError
    except ValueError:
        bounds = f"a number from {NEAREST_METRES:g} to {FARTHEST_METRES:g}"
        play.act("demo", f"cannot put a phone `{metres}` metres away: type {bounds}")
        return
    play.walk(who, distance)
