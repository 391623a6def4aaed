"""Serves plain objects on a bus: one message handler answers for every object below one root.

It decides nothing: handlers do, and what they raise is either a DBusFault, which is the answer, or
a fault of ours, which is reported to `on_fault` and answered as Failed without its words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from blelockd.adapters.bluez.calls import ERROR, CallServer
from blelockd.adapters.bluez.dbus import Message, MessageBus, MessageType, Variant
from blelockd.adapters.bluez.introspection import (
    INTROSPECTABLE,
    OBJECT_MANAGER,
    PROPERTIES,
    introspect,
)
from blelockd.adapters.bluez.objects import (
    ABSENT,
    Absent,
    DBusFault,
    Handler,
    Interface,
    Method,
    MethodCall,
    Property,
    Reply,
)

__all__ = [
    "ABSENT",
    "Absent",
    "DBusFault",
    "Handler",
    "Interface",
    "Method",
    "MethodCall",
    "ObjectTree",
    "Property",
    "Reply",
]

_PEER: Final = "org.freedesktop.DBus.Peer"  # the library's own business


class ObjectTree:
    """The objects at and below `root`, which is also their ObjectManager.

    `on_fault` hears of every exception that is not a DBusFault. `answers`, when given, says whether
    a unique name is answered at all (others: AccessDenied). `audience`, when given, names the one
    connection that signals go to; else they are broadcast, and any local user may read them.
    """

    def __init__(
        self,
        bus: MessageBus,
        root: str,
        *,
        on_fault: Callable[[MethodCall, Exception], object],
        answers: Callable[[str], bool] | None = None,
        audience: Callable[[], str | None] | None = None,
    ) -> None:
        self._bus = bus
        self._root = root
        self._below = root.rstrip("/") + "/"
        self._answers = answers
        self._audience = audience
        self._objects: dict[str, dict[str, Interface]] = {}
        self._calls = CallServer(bus, self._method, on_fault)
        bus.add_message_handler(self._on_message)

    def __contains__(self, path: object) -> bool:
        return path in self._objects

    def paths(self) -> list[str]:
        """Every object's path, parents before their children."""
        return sorted(self._objects)

    def close(self) -> None:
        """Answer no more. The bus stays connected."""
        self._bus.remove_message_handler(self._on_message)
        self._calls.close()
        self._objects.clear()

    def add(self, path: str, *interfaces: Interface) -> None:
        """Serve these interfaces at `path`, beside those already there, and announce them."""
        if path != self._root and not path.startswith(self._below):
            raise ValueError(f"{path} is not below {self._root}")
        self._objects.setdefault(path, {}).update({each.name: each for each in interfaces})
        added = {each.name: _read_all(each) for each in interfaces}
        self.signal(self._root, OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", path, added)

    def remove(self, path: str) -> None:
        """Serve `path` no more, and announce it. Unknown paths are fine."""
        removed = self._objects.pop(path, None)
        if removed is not None:
            names = list(removed)
            self.signal(self._root, OBJECT_MANAGER, "InterfacesRemoved", "oas", path, names)

    def value(self, path: str, interface: str, name: str) -> Any:
        """A property's value of this moment. KeyError when there is no such property."""
        return self._objects[path][interface].properties[name].read()

    def update(self, path: str, interface: str, /, **values: Any) -> None:
        """Set properties, and announce those whose value changed; ABSENT takes one away."""
        properties = self._objects[path][interface].properties
        self.publish(
            path, interface, **{k: v for k, v in values.items() if properties[k].read() != v}
        )

    def publish(self, path: str, interface: str, /, **values: Any) -> None:
        """Set properties, and announce all of them, changed or not."""
        properties = self._objects[path][interface].properties
        changed: dict[str, Variant] = {}
        invalidated: list[str] = []
        for name, value in values.items():
            properties[name].value = value
            if value is ABSENT:
                invalidated.append(name)
            else:
                changed[name] = Variant(properties[name].signature, value)
        if values:
            body = (interface, changed, invalidated)
            self.signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", *body)

    def signal(self, path: str, interface: str, member: str, signature: str, *body: Any) -> None:
        """Send a signal to the audience. Nothing is sent while the audience is nobody."""
        destination = None
        if self._audience is not None:
            destination = self._audience()
            if destination is None:
                return
        self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                destination=destination,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )

    def _on_message(self, message: Message) -> bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.interface == _PEER:
            return None
        path = message.path or ""
        if path == self._root or path.startswith(self._below):
            self._calls.serve(message)
            return True
        above = path.rstrip("/") + "/"
        if self._root.startswith(above) and message.interface == INTROSPECTABLE:
            child = self._root[len(above) :].split("/", 1)[0]
            document = introspect((), [child], manager=False)
            self._bus.send(Message.new_method_return(message, "s", [document]))
            return True
        return None

    def _method(self, call: MethodCall, message: Message) -> Method:
        if self._answers is not None and not self._answers(call.sender):
            raise DBusFault(ERROR + "AccessDenied", "This object answers org.bluez only")
        method = self._standard(call, message) or self._own(call)
        if (message.signature or "") != method.takes:
            raise DBusFault(
                ERROR + "InvalidArgs", f"{call.member} takes {method.takes or 'nothing'!r}"
            )
        return method

    def _standard(self, call: MethodCall, message: Message) -> Method | None:
        match (call.interface, call.member):
            case (str(name), "Introspect") if name == INTROSPECTABLE:
                return Method(self._introspect, "", "s")
            case (str(name), "GetManagedObjects") if name == OBJECT_MANAGER:
                if call.path == self._root:
                    return Method(self._managed_objects, "", "a{oa{sa{sv}}}")
            case (str(name), "Get") if name == PROPERTIES:
                return Method(self._get, "ss", "v")
            case (str(name), "GetAll") if name == PROPERTIES:
                return Method(self._get_all, "s", "a{sv}")
            case (str(name), "Set") if name == PROPERTIES:
                return Method(lambda call: self._set(call, message.body[2].signature), "ssv")
            case _:
                pass
        return None

    def _own(self, call: MethodCall) -> Method:
        interfaces = self._interfaces(call.path)
        candidates = [interfaces.get(call.interface)] if call.interface else interfaces.values()
        for interface in candidates:
            if interface is not None and call.member in interface.methods:
                return interface.methods[call.member]
        raise DBusFault(
            ERROR + "UnknownMethod", f"{call.path} has no {call.interface}.{call.member}"
        )

    def _interfaces(self, path: str) -> dict[str, Interface]:
        try:
            return self._objects[path]
        except KeyError:
            raise DBusFault(ERROR + "UnknownObject", f"There is no object {path}") from None

    def _properties(self, call: MethodCall) -> Interface:
        name = call.args[0]
        interface = self._interfaces(call.path).get(name)
        if interface is None:
            raise DBusFault(ERROR + "UnknownInterface", f"{call.path} has no interface {name}")
        return interface

    def _property(self, call: MethodCall) -> Property:
        served = self._properties(call).properties.get(call.args[1])
        if served is None or served.read() is ABSENT:
            raise DBusFault(ERROR + "UnknownProperty", f"{call.args[0]} has no {call.args[1]}")
        return served

    def _introspect(self, call: MethodCall) -> Reply:
        below = call.path.rstrip("/") + "/"
        children = {
            path[len(below) :].split("/", 1)[0]
            for path in self._objects
            if path != "/" and path.startswith(below)
        }
        interfaces = self._objects.get(call.path, {}).values()
        is_manager = call.path == self._root
        return Reply((introspect(interfaces, sorted(children), manager=is_manager),))

    def _managed_objects(self, _call: MethodCall) -> Reply:
        return Reply(
            (
                {
                    path: {name: _read_all(each) for name, each in interfaces.items()}
                    for path, interfaces in self._objects.items()
                },
            )
        )

    def _get(self, call: MethodCall) -> Reply:
        served = self._property(call)
        return Reply((Variant(served.signature, served.read()),))

    def _get_all(self, call: MethodCall) -> Reply:
        return Reply((_read_all(self._properties(call)),))

    def _set(self, call: MethodCall, signature: str) -> None:
        served = self._property(call)
        if served.on_set is None:
            raise DBusFault(ERROR + "PropertyReadOnly", f"{call.args[1]} is read-only")
        if signature != served.signature:
            raise DBusFault(ERROR + "InvalidArgs", f"{call.args[1]} is of type {served.signature}")
        served.on_set(call.sender, call.args[2])


def _read_all(interface: Interface) -> dict[str, Variant]:
    values = ((name, each.signature, each.read()) for name, each in interface.properties.items())
    return {name: Variant(kind, value) for name, kind, value in values if value is not ABSENT}
