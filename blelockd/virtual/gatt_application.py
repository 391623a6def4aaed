"""A client's GATT application, read once and laid out in handles. Pure: plain objects in, tree out.

BlueZ doc/org.bluez.GattService.rst and its neighbours, src/gatt-database.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blelockd.virtual.advertising_data import full_uuid
from blelockd.virtual.att import (
    CCC_UUID,
    RemoteCharacteristic,
    RemoteDescriptor,
    RemoteService,
)
from blelockd.virtual.names import CHARACTERISTIC, DESCRIPTOR, SERVICE

Objects = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A characteristic's value or a descriptor: what is read and written, and where it lives."""

    owner: str
    path: str
    interface: str
    handle: int
    uuid: str
    flags: frozenset[str]
    has_notify_acquired: bool = False

    @property
    def notifies(self) -> bool:
        """Whether a client may subscribe."""
        return bool(self.flags & {"notify", "indicate"})


@dataclass(slots=True)
class Application:
    """One registered application."""

    table: list[RemoteService] = field(default_factory=list)
    attributes: dict[int, Attribute] = field(default_factory=dict)
    ccc: dict[int, int] = field(default_factory=dict)  # CCC handle to its value handle
    next_handle: int = 0


def lay_out(owner: str, objects: Objects, first_handle: int) -> Application:
    """The application in these objects. Raises ValueError, KeyError, TypeError: unsound."""
    application = Application(next_handle=first_handle)
    for path in sorted(path for path, served in objects.items() if SERVICE in served):
        service = objects[path][SERVICE]
        handle = application.next_handle
        application.next_handle += 1
        characteristics = tuple(
            _characteristic(application, owner, objects, child)
            for child in _children(objects, CHARACTERISTIC, "Service", path)
        )
        application.table.append(
            RemoteService(
                handle, full_uuid(service["UUID"]), bool(service["Primary"]), characteristics
            )
        )
    if not application.table:
        raise ValueError("no service in it")
    return application


def _children(objects: Objects, interface: str, link: str, parent: str) -> list[str]:
    return sorted(
        path
        for path, served in objects.items()
        if interface in served and served[interface][link] == parent
    )


def _characteristic(
    application: Application, owner: str, objects: Objects, path: str
) -> RemoteCharacteristic:
    properties = objects[path][CHARACTERISTIC]
    flags, uuid = frozenset(map(str, properties["Flags"])), full_uuid(properties["UUID"])
    handle = application.next_handle
    value = Attribute(
        owner, path, CHARACTERISTIC, handle + 1, uuid, flags, "NotifyAcquired" in properties
    )
    application.attributes[value.handle] = value
    application.next_handle += 2
    descriptors = []
    if value.notifies:
        application.ccc[application.next_handle] = value.handle
        descriptors.append(RemoteDescriptor(application.next_handle, CCC_UUID))
        application.next_handle += 1
    for child in _children(objects, DESCRIPTOR, "Characteristic", path):
        descriptors.append(_descriptor(application, owner, objects, child))
    return RemoteCharacteristic(
        handle, value.handle, uuid, tuple(sorted(flags)), tuple(descriptors)
    )


def _descriptor(
    application: Application, owner: str, objects: Objects, path: str
) -> RemoteDescriptor:
    properties = objects[path][DESCRIPTOR]
    handle, uuid = application.next_handle, full_uuid(properties["UUID"])
    flags = frozenset(map(str, properties["Flags"]))
    application.attributes[handle] = Attribute(owner, path, DESCRIPTOR, handle, uuid, flags)
    application.next_handle += 1
    return RemoteDescriptor(handle, uuid)
