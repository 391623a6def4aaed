"""Why the broker is out of reach, and what to do: foreign errors are translated here only."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class CauseName(StrEnum):
    """Kinds of trouble with the broker."""

    STOPPED = "stopped"
    LOCAL_FILE = "local-file"
    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS_UNTRUSTED = "tls-untrusted"
    TLS = "tls"
    CREDENTIALS = "credentials"
    NOT_AUTHORISED = "not-authorised"
    SUBSCRIPTION = "subscription-refused"
    TAKEN_OVER = "taken-over"
    BROKER = "broker"
    PROTOCOL = "protocol"
    SILENT = "silent"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong, then what to do about it."""

    name: CauseName
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Where:
    """The broker that the trouble is with, and who we are there."""

    address: str
    over_tls: bool
    client_id: str

    def __str__(self) -> str:
        return self.address


class Unreachable(Exception):
    """There is no connection to the broker, for `cause`."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
        self.cause = cause


# Reason codes: MQTT 5.0, 2.4. Those that paho makes up itself for a lost link are the same.
UNSPECIFIED: Final = 0x80
MALFORMED_PACKET: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
UNSUPPORTED_VERSION: Final = 0x84
BAD_CREDENTIALS: Final = 0x86
NOT_AUTHORISED: Final = 0x87
KEEPALIVE_TIMEOUT: Final = 0x8D
TAKEN_OVER: Final = 0x8E
NO_SUBSCRIBER: Final = 0x10
FIRST_FAILURE: Final = 0x80

_BROKER_TROUBLE: Final = {
    0x88: "is not available",
    0x89: "is busy",
    0x8A: "has banned this client",
    0x8B: "is shutting down",
    0x93: "says that we sent more than it accepts",
    0x95: "says that our packet is too large",
    0x97: "says that a quota is used up",
    0x9C: "asks us to use another server",
    0x9D: "has moved",
    0x9F: "limits the rate of connections",
}


def from_error(error: BaseException, where: Where) -> Cause:
    """The cause behind an error of the socket, the TLS library or paho at that address."""
    if isinstance(error, Unreachable):
        return error.cause
    if isinstance(error, ssl.SSLError):
        return _from_tls_error(error, where)
    if isinstance(error, socket.gaierror):
        return Cause(
            CauseName.DNS,
            f"the broker's name in {where} cannot be resolved ({error.strerror})",
            "check mqtt host, and this machine's DNS",
        )
    if isinstance(error, ConnectionRefusedError):
        return Cause(
            CauseName.REFUSED,
            f"nothing listens at {where}",
            "check that the broker runs, that mqtt host and port are right, and its firewall",
        )
    if isinstance(error, TimeoutError):
        return timed_out(where)
    if isinstance(error, ConnectionError):
        return closed(where)
    if isinstance(error, OSError):
        return _from_os_error(error, where)
    return Cause(
        CauseName.PROTOCOL,
        f"what answers at {where} does not speak MQTT 5 ({type(error).__name__})",
        "check mqtt host and port; the broker must be mosquitto 1.6 or later, or its equal",
    )


def _from_os_error(error: OSError, where: Where) -> Cause:
    network_down = error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
    return Cause(
        CauseName.UNREACHABLE,
        f"{where} cannot be reached ({error.strerror or type(error).__name__})",
        "check this machine's network" if network_down else "check mqtt host and port",
    )


def _from_tls_error(error: ssl.SSLError, where: Where) -> Cause:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Cause(
            CauseName.TLS_UNTRUSTED,
            f"the certificate of {where} is not trusted ({error.verify_message})",
            "check mqtt tls ca, that the certificate bears this host name, and the clock",
        )
    reason = (error.reason or "unknown error").replace("_", " ").lower()
    if "certificate required" in reason or "handshake failure" in reason:
        remedy = "the broker asks for a client certificate: set mqtt tls certificate and key"
    elif "alert" in reason:
        remedy = "the broker refuses our client certificate: check mqtt tls certificate and key"
    else:
        remedy = "check that mqtt port is the broker's TLS port (usually 8883)"
    return Cause(CauseName.TLS, f"TLS with {where} fails ({reason})", remedy)


def timed_out(where: Where) -> Cause:
    """Nobody said anything while we tried to connect."""
    return Cause(
        CauseName.TIMEOUT,
        f"{where} does not answer",
        "check mqtt host and port, the firewall, and that the broker is not hung",
    )


def closed(where: Where) -> Cause:
    """The broker hung up without a word."""
    port = (
        "with mqtt tls, mqtt port must be the broker's TLS port (usually 8883)"
        if where.over_tls
        else "its TLS port needs mqtt tls"
    )
    return Cause(
        CauseName.LOST,
        f"{where} closed the connection",
        f"check that the broker runs and see its log; {port}",
    )


def taken_over(where: Where) -> Cause:
    """Somebody else is connected in our name."""
    return Cause(
        CauseName.TAKEN_OVER,
        f"another client connects to {where} as {where.client_id!r}",
        "give each daemon a client id of its own; is this one running twice?",
    )


def malformed(where: Where) -> Cause:
    """Something came that paho cannot take apart; the stream is lost from there on."""
    return Cause(
        CauseName.PROTOCOL,
        f"{where} sent something that is not MQTT 5",
        "connecting anew with a clean session; see the broker's log if it goes on",
    )


def subscription_refused(topic: str, where: Where) -> Cause:
    """The broker does not let us listen to what we need."""
    return Cause(
        CauseName.SUBSCRIPTION,
        f"the broker at {where} does not let us subscribe to {topic}",
        "allow this user to read that topic in the broker's access list",
    )


def publication_refused(topic: str, where: Where) -> Cause:
    """The broker does not let us say what we must."""
    return Cause(
        CauseName.NOT_AUTHORISED,
        f"the broker at {where} does not let us publish to {topic}",
        "allow this user to write that topic in the broker's access list",
    )


def from_reason_code(code: int, where: Where) -> Cause:
    """The cause that a CONNACK or a DISCONNECT names (MQTT 5.0, 3.2.2.2 and 3.14.2.1)."""
    if code in (BAD_CREDENTIALS, NOT_AUTHORISED):
        return Cause(
            CauseName.CREDENTIALS,
            f"the broker at {where} refuses our credentials",
            "check mqtt username and password_file against the broker's password file",
        )
    if code == UNSUPPORTED_VERSION:
        return Cause(
            CauseName.PROTOCOL,
            f"the broker at {where} does not speak MQTT 5",
            "use mosquitto 1.6 or later, or its equal",
        )
    if code == KEEPALIVE_TIMEOUT:
        return Cause(
            CauseName.SILENT,
            f"the broker at {where} stopped answering",
            "check the network between here and there, and that the broker is not hung",
        )
    if code == TAKEN_OVER:
        return taken_over(where)
    if code in (MALFORMED_PACKET, PROTOCOL_ERROR):
        return malformed(where)
    if code in _BROKER_TROUBLE:
        return Cause(
            CauseName.BROKER, f"the broker at {where} {_BROKER_TROUBLE[code]}", "see its log"
        )
    if code in (0, UNSPECIFIED):
        return closed(where)
    return Cause(
        CauseName.BROKER,
        f"the broker at {where} ended the connection (reason code 0x{code:02x})",
        "see its log",
    )
