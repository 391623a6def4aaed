"""What lies around the daemon: the broker, the clock, the strike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from blelockd.adapters import adjtimex
from blelockd.adapters.mqtt import topics
from blelockd.adapters.mqtt.causes import Where
from blelockd.adapters.mqtt.link import CONNECTED, REMARK
from blelockd.adapters.mqtt.visit import visit
from blelockd.adapters.unit import NoSystemd, status_of
from blelockd.config import IssuerConfig, LockConfig, StrikeType
from blelockd.roles.broker import broker_settings
from blelockd.roles.strike import build_strike
from blelockd.services.diagnosis import Finding, broken, doubtful, fine
from blelockd.services.liveness import PartState
from blelockd.services.ports import StrikeFailed


async def broker(config: IssuerConfig | LockConfig, unit: str | None) -> AsyncIterator[Finding]:
    """Whether the broker lets this role in, and subscribe to what it must hear.

    A daemon of `unit` that is connected proves it, and a visit would throw it out where the broker
    takes the user for the client id, as the one of `broker-config` does.
    mosquitto's access list lets everybody subscribe, and withholds the messages: that is not seen.
    """
    settings = broker_settings(config.mqtt)
    who = f" as {settings.username}" if settings.username is not None else ""
    if await _is_connected(unit, settings.where):
        yield fine("broker", f"{settings.where} lets the daemon in{who}")
    elif (cause := await visit(settings, _heard(config))) is None:
        yield fine("broker", f"{settings.where} lets us in{who}, and subscribe")
    else:
        yield broken("broker", cause.name, cause.what, cause.remedy)


async def _is_connected(unit: str | None, where: Where) -> bool:
    """Whether the unit's daemon says that it is connected there."""
    try:
        status = None if unit is None else await status_of(unit)
    except NoSystemd:
        return False
    parts = status.parts() if status is not None and status.active else []
    up = [part.detail for part in parts if (part.name, part.state) == ("broker", PartState.UP)]
    return any(detail.split(REMARK)[0] == CONNECTED.format(where) for detail in up)


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
