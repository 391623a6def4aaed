"""The XML in which an object tells what it can do. Pure: interfaces in, text out.

https://dbus.freedesktop.org/doc/dbus-specification.html#introspection-format
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import quoteattr

from blelockd.adapters.bluez.dbus import SignatureTree
from blelockd.adapters.bluez.objects import ABSENT, Interface

INTROSPECTABLE: Final = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"

_DOCTYPE: Final = (
    '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"'
    ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">'
)
_INTROSPECTABLE_METHODS: Final = (("Introspect", "", "s"),)
_PROPERTIES_METHODS: Final = (("Get", "ss", "v"), ("Set", "ssv", ""), ("GetAll", "s", "a{sv}"))
_MANAGER_METHODS: Final = (("GetManagedObjects", "", "a{oa{sa{sv}}}"),)
_MANAGER_SIGNALS: Final = (("InterfacesAdded", "oa{sa{sv}}"), ("InterfacesRemoved", "oas"))


def introspect(interfaces: Iterable[Interface], children: Iterable[str], *, manager: bool) -> str:
    """The document for an object with these interfaces and these child node names."""
    lines = [_DOCTYPE, "<node>"]
    lines += _interface(INTROSPECTABLE, _INTROSPECTABLE_METHODS, (), ())
    if manager:
        lines += _interface(OBJECT_MANAGER, _MANAGER_METHODS, _MANAGER_SIGNALS, ())
    served = list(interfaces)
    if served:
        changed = (("PropertiesChanged", "sa{sv}as"),)
        lines += _interface(PROPERTIES, _PROPERTIES_METHODS, changed, ())
    for interface in served:
        lines += _described(interface)
    lines += [f"<node name={quoteattr(child)}/>" for child in children]
    return "\n".join([*lines, "</node>"])


def _described(interface: Interface) -> list[str]:
    return _interface(
        interface.name,
        [(name, method.takes, method.gives) for name, method in interface.methods.items()],
        interface.signals.items(),
        [
            (name, item.signature, "read" if item.on_set is None else "readwrite")
            for name, item in interface.properties.items()
            if item.read() is not ABSENT
        ],
    )


def _interface(
    name: str,
    methods: Iterable[tuple[str, str, str]],
    signals: Iterable[tuple[str, str]],
    properties: Iterable[tuple[str, str, str]],
) -> list[str]:
    lines = [f"<interface name={quoteattr(name)}>"]
    for member, takes, gives in methods:
        lines += [f"<method name={quoteattr(member)}>", *_args(takes, "in"), *_args(gives, "out")]
        lines.append("</method>")
    for member, signature in signals:
        lines += [f"<signal name={quoteattr(member)}>", *_args(signature, None), "</signal>"]
    for member, signature, access in properties:
        lines.append(
            f'<property name={quoteattr(member)} type={quoteattr(signature)} access="{access}"/>'
        )
    return [*lines, "</interface>"]


def _args(signature: str, direction: str | None) -> list[str]:
    suffix = f' direction="{direction}"' if direction else ""
    return [
        f"<arg type={quoteattr(argument.signature)}{suffix}/>"
        for argument in SignatureTree(signature).types
    ]
