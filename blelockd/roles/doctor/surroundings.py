"""What lies around the daemon: the broker, the clock, the strike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from blelockd.adapters import adjtimex
from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.visit import visit
from blelockd.config import IssuerConfig, LockConfig, StrikeType
from blelockd.roles.broker import broker_settings
from blelockd.roles.strike import build_strike
from blelockd.services.diagnosis import Finding, broken, doubtful, fine
from blelockd.services.ports import StrikeFailed


async def broker(config: IssuerConfig | LockConfig) -> AsyncIterator[Finding]:
    """Whether the broker lets this role in, and subscribe to what it must hear.

    mosquitto's access list lets everybody subscribe, and withholds the messages: that is not seen.
    """
    settings = broker_settings(config.mqtt)
    cause = await visit(settings, _heard(config))
    if cause is None:
        who = f" as {settings.username}" if settings.username is not None else ""
        yield fine("broker", f"{settings.where} lets us in{who}, and subscribe")
    else:
        yield broken("broker", cause.name, cause.what, cause.remedy)


def _heard(config: IssuerConfig | LockConfig) -> list[str]:
    if isinstance(config, IssuerConfig):
        return [topics.ANY_UP, *([topics.ANY_AVAILABILITY] if config.compat_v1 else [])]
    heard = [topics.session(config.lock_id)] if config.compat_v1 else []
    return [*heard, topics.down(config.lock_id)]


async def clock() -> AsyncIterator[Finding]:
    """Whether this machine knows what time it is: sessions and tokens end by the clock."""
    state = adjtimex.read()
    remedy = "`timedatectl set-ntp true`, with a time server in reach; `timedatectl` shows it"
    if not state.plausible:
        told = f"it shows {state.shown}: it was not set since this machine was switched on"
        yield broken("clock", "clock-not-set", told, remedy)
    elif state.synchronised is None:
        told = f"it shows {state.shown}; whether it is kept right this system does not say"
        yield doubtful("clock", "clock-unknown", told, "compare it with another")
    elif not state.synchronised:
        told = f"it shows {state.shown}; nothing keeps it right, and it will drift"
        yield doubtful("clock", "clock-not-synchronised", told, remedy)
    else:
        yield fine("clock", f"{state.shown}, synchronised")


async def strike(config: LockConfig, path: Path) -> AsyncIterator[Finding]:
    """Whether what opens the door could be run."""
    try:
        build_strike(config)
    except StrikeFailed as error:
        yield broken("strike", "strike", error.reason, f"see to `strike:` in {path}")
        return
    if config.strike.type is StrikeType.LOG:
        yield fine("strike", "`type: log`: it only tells, and moves nothing")
    else:
        yield fine("strike", f"{config.strike.command[0]} can be run")
