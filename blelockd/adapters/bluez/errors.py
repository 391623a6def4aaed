"""What can be wrong with the radio, and what to do about it.

The only place where an error of D-Bus, BlueZ or bleak is read: `radio_down` makes one of ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from blelockd.services.ports import LinkDown


class Cause(StrEnum):
    """Why the radio cannot be used now."""

    NO_BUS = "no-bus"
    NO_BLUETOOTHD = "no-bluetoothd"
    NO_ADAPTER = "no-adapter"
    ADAPTER_OFF = "adapter-off"
    RFKILL = "rfkill"
    NO_EXPERIMENTAL = "no-experimental"
    NOT_PERMITTED = "not-permitted"
    BUSY = "busy"
    NO_ROOM = "no-room"
    TOO_LONG = "too-long"
    NO_ANSWER = "no-answer"
    SCAN_STOPPED = "scan-stopped"
    RELEASED = "released"
    NOT_HEARD = "not-heard"
    NO_SERVICE = "no-service"
    NOBODY_SUBSCRIBED = "nobody-subscribed"
    PEER_GONE = "peer-gone"
    REFUSED = "refused"


REMEDIES: Final = {
    Cause.NO_BUS: "start the system bus: systemctl start dbus",
    Cause.NO_BLUETOOTHD: "start BlueZ: systemctl start bluetooth (package bluez)",
    Cause.NO_ADAPTER: "plug the adapter in, or name another: bluetoothctl list",
    Cause.ADAPTER_OFF: "power it on: bluetoothctl power on (of several `select` the one before)",
    Cause.RFKILL: "lift the block: rfkill unblock bluetooth",
    Cause.NO_EXPERIMENTAL: "run bluetoothd with --experimental, or scan actively",
    Cause.NOT_PERMITTED: "let this user talk to org.bluez in the bus policy (/etc/dbus-1/system.d)",
    Cause.BUSY: "wait, or stop the other program that uses this adapter",
    Cause.NO_ROOM: "stop another program's advertisement: the adapter has no slot left",
    Cause.TOO_LONG: "shorten the name or leave out a service UUID: 31 bytes is all there is",
    Cause.NO_ANSWER: "if it stays so: systemctl restart bluetooth",
    Cause.SCAN_STOPPED: "scanning begins anew; if it keeps stopping: systemctl restart bluetooth",
    Cause.RELEASED: "it is begun anew; see journalctl -u bluetooth",
    Cause.NOT_HEARD: "go nearer, and see that the issuer runs and its beacon is named rightly",
    Cause.NO_SERVICE: "the service and characteristic UUIDs of issuer and guest must be the same",
    Cause.NOBODY_SUBSCRIBED: "the guest must subscribe before it writes",
    Cause.PEER_GONE: "try again, nearer",
    Cause.REFUSED: "see journalctl -u bluetooth",
}


GONE: Final = frozenset(
    {
        Cause.NO_BUS,
        Cause.NO_BLUETOOTHD,
        Cause.NO_ADAPTER,
        Cause.ADAPTER_OFF,
        Cause.RFKILL,
        Cause.RELEASED,
    }
)
"""For these causes, whatever we had registered is gone by itself."""


class RadioDown(LinkDown):
    """The radio, or a peer over it, is out of reach: `reason` says what is wrong.

    `cause` is for programs, `remedy` is the next step for people. Its text is both sentences.
    """

    def __init__(
        self,
        cause: Cause,
        reason: str,
        *,
        remedy: str | None = None,
        may_have_arrived: bool = False,
    ) -> None:
        super().__init__(reason, may_have_arrived=may_have_arrived)
        self.cause = cause
        self.remedy = REMEDIES[cause] if remedy is None else remedy

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


class BusRefusal(Exception):
    """An error that came as the answer to a call: its D-Bus name, and its text."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text


_BUS: Final = "org.freedesktop.DBus.Error."
_BLUEZ: Final = "org.bluez.Error."

_CAUSES: Final = {
    _BUS + "ServiceUnknown": Cause.NO_BLUETOOTHD,
    _BUS + "NameHasNoOwner": Cause.NO_BLUETOOTHD,
    _BUS + "UnknownObject": Cause.NO_ADAPTER,
    _BUS + "UnknownMethod": Cause.NO_ADAPTER,  # what libdbus says of an object that has gone
    _BUS + "UnknownInterface": Cause.NO_ADAPTER,
    _BUS + "AccessDenied": Cause.NOT_PERMITTED,
    _BUS + "AuthFailed": Cause.NOT_PERMITTED,
    _BUS + "LimitsExceeded": Cause.BUSY,
    _BUS + "NoReply": Cause.NO_ANSWER,
    _BUS + "Timeout": Cause.NO_ANSWER,
    _BUS + "TimedOut": Cause.NO_ANSWER,
    _BUS + "Disconnected": Cause.NO_BUS,
    _BLUEZ + "NotReady": Cause.ADAPTER_OFF,
    _BLUEZ + "Blocked": Cause.RFKILL,
    _BLUEZ + "InProgress": Cause.BUSY,
    _BLUEZ + "Busy": Cause.BUSY,
    _BLUEZ + "AlreadyExists": Cause.BUSY,
    _BLUEZ + "DoesNotExist": Cause.RELEASED,
    _BLUEZ + "InvalidLength": Cause.TOO_LONG,
    _BLUEZ + "NotConnected": Cause.PEER_GONE,
    _BLUEZ + "ConnectionAttemptFailed": Cause.PEER_GONE,
}

# What only the text tells apart, by BlueZ's own words (src/advertising.c, src/device.c).
_CAUSES_BY_TEXT: Final = (
    (_BLUEZ + "NotPermitted", "maximum advertisements", Cause.NO_ROOM),
    (_BLUEZ + "Failed", "not powered", Cause.ADAPTER_OFF),
    (_BLUEZ + "Failed", "le-connection-abort", Cause.PEER_GONE),
    (_BUS + "Unknown", "advertisementmonitor", Cause.NO_EXPERIMENTAL),
    (_BUS + "Spawn", "", Cause.NO_BLUETOOTHD),
)
_LONGEST_QUOTE: Final = 120


def radio_down(
    error: BaseException,
    doing: str,
    *,
    otherwise: Cause = Cause.REFUSED,
    may_have_arrived: bool = False,
) -> RadioDown:
    """What `error`, met while `doing` something, means for us.

    Knows the replies of D-Bus (BusRefusal, bleak's BleakDBusError), time-outs and a lost bus;
    `otherwise` is the cause for what is none of these.
    """
    if isinstance(error, RadioDown):
        return error
    name, text = _words(error)
    cause = _cause_of(error, name, text) or otherwise
    said = "no answer in time" if isinstance(error, TimeoutError) else text or name
    reason = f"cannot {doing}: {said or type(error).__name__}"
    return RadioDown(cause, reason, may_have_arrived=may_have_arrived)


def _words(error: BaseException) -> tuple[str, str]:
    """The D-Bus name of the error, where it has one, and its text, fit for one line."""
    if isinstance(error, BusRefusal):
        name, text = error.name, error.text
    else:  # bleak's BleakDBusError, known by its attributes: the issuer need not load bleak
        name = str(getattr(error, "dbus_error", "") or "")
        text = str((getattr(error, "dbus_error_details", "") if name else error) or "")
    return _one_line(name), _one_line(text)


def _one_line(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text[: 2 * _LONGEST_QUOTE])
    return " ".join(printable.split())[:_LONGEST_QUOTE]


def _cause_of(error: BaseException, name: str, text: str) -> Cause | None:
    if isinstance(error, TimeoutError):
        return Cause.NO_ANSWER
    if isinstance(error, (OSError, EOFError)):
        return Cause.NO_BUS
    for prefix, words, cause in _CAUSES_BY_TEXT:
        if name.startswith(prefix) and words in text.lower():
            return cause
    return _CAUSES.get(name)
