"""Whom bleak believes: its match rules name no sender, and each user of a machine may send signals.

Without this another user could tell the lock of adverts that were never on the air, or nearer than
they were, and fill bleak's memory with objects that bluetoothd has not.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from blelockd.adapters.bluez.defs import (
    BLUEZ,
    BUS_INTERFACE,
    BUS_NAME,
    BUS_PATH,
    NAME_OWNER_CHANGED,
)

_OWNER: Final = "_org_bluez_is"
_FOLLOWED_ON: Final = "_org_bluez_is_followed_on"
_RULE: Final = (
    f"type='signal',sender='{BUS_NAME}',interface='{BUS_INTERFACE}',"
    f"member='{NAME_OWNER_CHANGED}',arg0='{BLUEZ}'"
)

_bleak: Any = importlib.import_module("bleak.backends.bluezdbus.manager")


def heed_bluetoothd_alone(manager_class: Any) -> None:
    """Have every `manager_class` of bleak's pass over the signals of anybody else."""
    parse = manager_class._parse_msg

    def parse_if_trusted(manager: Any, message: Any) -> None:
        if comes_from_bluetoothd(manager, message):
            parse(manager, message)

    manager_class._parse_msg = parse_if_trusted


def comes_from_bluetoothd(manager: Any, message: Any) -> bool:
    """Whether the owner of org.bluez sent that message, which came over `manager`'s connection.

    Who that is, is learnt here: from its answers, which the bus lets nobody else give, as bleak
    asks nobody else over this connection; and from the bus, when the name changes hands.
    """
    sender, kind = message.sender, message.message_type
    if sender == BUS_NAME:
        if kind is _bleak.MessageType.SIGNAL and message.member == NAME_OWNER_CHANGED:
            name, _, owner = message.body
            if name == BLUEZ:
                setattr(manager, _OWNER, owner)
        return False
    if kind in (_bleak.MessageType.METHOD_RETURN, _bleak.MessageType.ERROR):
        setattr(manager, _OWNER, sender)
    return bool(sender) and sender == getattr(manager, _OWNER, "")


async def follow_bluetoothd(manager: Any) -> None:
    """Hear at once when there is another bluetoothd, over `manager`'s connection.

    Raises what bleak raises.
    """
    if getattr(manager, _FOLLOWED_ON, None) is manager._bus:
        return
    message = _bleak.Message(
        destination=BUS_NAME,
        path=BUS_PATH,
        interface=BUS_INTERFACE,
        member="AddMatch",
        signature="s",
        body=[_RULE],
    )
    await manager._bus.call(message)
    setattr(manager, _FOLLOWED_ON, manager._bus)
