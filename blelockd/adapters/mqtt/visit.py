"""A short visit to the broker, to see whether it lets a role in and subscribe. Leaves no trace.

It comes under a name of its own, so that a daemon that is connected already stays connected; not so
where the broker takes the user for the name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from blelockd.adapters.mqtt.causes import Cause, Unreachable, timed_out
from blelockd.adapters.mqtt.client import Greeting
from blelockd.adapters.mqtt.connection import Connection
from blelockd.adapters.mqtt.settings import BrokerSettings

SUFFIX: Final = "-doctor"
"""What the visitor's client id has after the daemon's."""


async def visit(settings: BrokerSettings, topics: Sequence[str]) -> Cause | None:
    """Why the broker is of no use to who must listen to `topics`; None when it is."""
    ours = replace(settings, client_id=settings.client_id + SUFFIX)
    connection = Connection(ours, Greeting(), lambda *_: None, lambda: None)
    try:
        async with asyncio.timeout(settings.connect_seconds):
            await connection.open()
            for topic in topics:
                await connection.subscribe(topic, stored_too=False)
    except Unreachable as unreachable:
        return unreachable.cause
    except TimeoutError:
        return timed_out(settings.where)
    finally:
        connection.close()
    return None
