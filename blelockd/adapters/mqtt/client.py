"""What differs between paho 1.6.1 and 2.2, and what paho does not survive, stays in this file.

paho hands over to a Listener, in plain values: reason codes as numbers, payloads as bytes. The
private names of paho that are used here are the same in all these versions; where a later one
lacks them, only the mercy for unreadable messages is lost, and the link starts anew instead.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any, Final, Protocol

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from blelockd.adapters.mqtt.causes import KEEPALIVE_TIMEOUT, PROTOCOL_ERROR, UNSPECIFIED
from blelockd.adapters.mqtt.settings import BrokerSettings, read_password, tls_context

# Of a larger packet only so much is kept: enough to acknowledge it, whatever its topic. We do not
# tell the broker (Maximum Packet Size): mosquitto 2.0.11 counts each message that it withholds for
# that as in flight for ever, and after Receive Maximum of them sends no other either.
LARGEST_PACKET_BYTES: Final = 66_000
_RECV_BYTES: Final = 16_384  # paho reads up to 100 times before it lets go

_RECEIVE_MAXIMUM: Final = 64  # unacknowledged messages that the broker may send us
_MOST_IN_FLIGHT: Final = 16  # unacknowledged messages that we send it; mosquitto allows 20
_MOST_QUEUED: Final = 1024  # those that wait for their turn, and those in flight

_PUBACK: Final = 0x40  # MQTT 5.0, 2.1.2: packet types, in the upper four bits
_PUBLISH: Final = 0x30
_QOS: Final = 0x06
_QOS_1: Final = 0x02
_U16: Final = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Will:
    """A retained message that the broker publishes when we vanish."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Greeting:
    """What CONNECT says: whether the broker shall forget what it kept for us, for how many
    seconds it shall keep our subscriptions and messages when we are away, and our will.
    """

    clean_start: bool = True
    session_expiry_seconds: int = 0
    will: Will | None = None


class Listener(Protocol):
    """Who is told what paho finds. None of these may raise."""

    def on_connack(self, code: int) -> None: ...

    def on_suback(self, mid: int, codes: list[int]) -> None: ...

    def on_puback(self, mid: int, code: int) -> None: ...

    def on_message(self, topic: str, payload: bytes, *, retained: bool) -> None: ...

    def on_unreadable(self) -> None:
        """A message came that paho cannot take apart; it has been acknowledged."""
        ...

    def on_lost(self, code: int) -> None:
        """The connection has ended; `code` as in a DISCONNECT from the broker."""
        ...

    def on_write_wanted(self, wanted: bool) -> None:
        """Whether loop_write() has something to send. May come from the thread of connect()."""
        ...

    def on_socket_closing(self) -> None:
        """paho closes its socket next."""
        ...


class Client(paho.Client):
    """A paho client that outlives a message it cannot read, or would not have room for.

    paho raises out of loop_read() at properties which brokers pass on, such as U+FEFF in a user
    property; unacknowledged, that message would come again at every reconnect. And it keeps
    whatever comes, up to 256 MB.
    """

    listener: Listener
    puback_code = 0
    socket_error: OSError | None = None
    protocol_broken = False

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(min(bufsize, _RECV_BYTES))
        except OSError as error:  # paho does not say what ended the connection
            self.socket_error = error
            raise

    def _packet_read(self) -> Any:
        result = super()._packet_read()
        del self._in_packet["packet"][LARGEST_PACKET_BYTES:]
        return result

    def _packet_handle(self) -> Any:
        kind = self._in_packet["command"] & 0xF0
        packet = self._in_packet["packet"]
        if kind == _PUBACK:  # paho 1.6.1 keeps the reason code to itself
            self.puback_code = packet[2] if len(packet) > 2 else 0
        if kind == _PUBLISH and self._in_packet["command"] & _QOS > _QOS_1:
            return paho.MQTT_ERR_PROTOCOL  # never granted; paho would keep each until released
        if kind == _PUBLISH and self._in_packet["remaining_length"] > LARGEST_PACKET_BYTES:
            self._acknowledge_unread(packet)
            return paho.MQTT_ERR_SUCCESS
        try:
            return super()._packet_handle()
        except Exception:  # whatever paho raises on hostile properties, by version
            if kind != _PUBLISH:
                raise
            self._acknowledge_unread(packet)
            return paho.MQTT_ERR_SUCCESS

    def _loop_rc_handle(self, rc: Any, *more: Any) -> Any:
        if rc == paho.MQTT_ERR_PROTOCOL:  # paho 2.1 tells on_disconnect nothing of it
            self.protocol_broken = True
        return super()._loop_rc_handle(rc, *more)

    def _acknowledge_unread(self, packet: bytes | bytearray) -> None:
        """PUBACK for a PUBLISH of QoS 1 (MQTT 5.0, 3.3.2): topic, then packet identifier."""
        if self._in_packet["command"] & _QOS == _QOS_1:
            after_topic = 2 + _U16.unpack_from(packet)[0]
            self._send_puback(_U16.unpack_from(packet, after_topic)[0])
        self.listener.on_unreadable()


def dial(settings: BrokerSettings, greeting: Greeting, listener: Listener) -> Client:
    """A client whose TCP and TLS connection stands and whose CONNECT is queued.

    Blocks: on DNS, the network and files. Raises Unreachable, or what socket and ssl raise.
    """
    client = _new_client(settings.client_id)
    client.listener = listener
    _wire(client, listener)
    if greeting.will is not None:
        client.will_set(greeting.will.topic, greeting.will.payload, qos=1, retain=True)
    if settings.username is not None:
        file = settings.password_file
        client.username_pw_set(settings.username, None if file is None else read_password(file))
    if settings.tls is not None:
        client.tls_set_context(tls_context(settings.tls))
        client.tls_insecure_set(not settings.tls.verify_host)
    _limit(client, settings.connect_seconds)
    client.connect(
        settings.host,
        settings.port,
        settings.ping_seconds,
        clean_start=greeting.clean_start,
        properties=_connect_properties(greeting),
    )
    return client


def subscribe(client: Client, topic: str, *, stored_too: bool) -> int | None:
    """Ask for `topic` at QoS 1, with retained messages or without; the packet id, or None."""
    options = SubscribeOptions(
        qos=1,
        retainHandling=(
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
            if stored_too
            else SubscribeOptions.RETAIN_DO_NOT_SEND
        ),
    )
    result, mid = client.subscribe(topic, options=options)
    return mid if result == paho.MQTT_ERR_SUCCESS else None


def publish(
    client: Client, topic: str, payload: bytes, *, retain: bool, expiry_seconds: int | None
) -> int | None:
    """Queue a message of QoS 1; its packet id, or None where it was not taken."""
    properties = None
    if expiry_seconds is not None:
        properties = _properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = expiry_seconds
    info = client.publish(topic, payload, qos=1, retain=retain, properties=properties)
    return info.mid if info.rc == paho.MQTT_ERR_SUCCESS else None


def _new_client(client_id: str) -> Client:
    options: dict[str, Any] = {
        "client_id": client_id,
        "protocol": paho.MQTTv5,
        "reconnect_on_failure": False,
    }
    api_version = getattr(paho, "CallbackAPIVersion", None)  # since paho 2.0
    if api_version is not None:
        options["callback_api_version"] = api_version.VERSION2
    return Client(**options)


def _limit(client: Client, connect_seconds: float) -> None:
    client.max_inflight_messages_set(_MOST_IN_FLIGHT)
    client.max_queued_messages_set(_MOST_QUEUED)
    if hasattr(paho.Client, "connect_timeout"):  # since paho 2.0
        client.connect_timeout = connect_seconds
    else:
        client._connect_timeout = connect_seconds


def _properties(packet_type: int) -> Any:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _connect_properties(greeting: Greeting) -> Any:
    properties = _properties(PacketTypes.CONNECT)
    properties.ReceiveMaximum = _RECEIVE_MAXIMUM
    if greeting.session_expiry_seconds:
        properties.SessionExpiryInterval = greeting.session_expiry_seconds
    return properties


def _code(reason: Any) -> int:
    """A reason code as a number, whatever class this version of paho gives it."""
    return int(getattr(reason, "value", reason))


def _lost_code(reason: Any) -> int:
    """1.6.1 gives its own error number where 2.x gives a reason code."""
    if isinstance(reason, int):
        return KEEPALIVE_TIMEOUT if reason == paho.MQTT_ERR_KEEPALIVE else UNSPECIFIED
    return UNSPECIFIED if reason is None else _code(reason)


def _wire(client: Client, listener: Listener) -> None:
    """Callbacks take the common head of the versions' arguments; the rest ends in `tail`."""

    def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, *_tail: Any) -> None:
        listener.on_connack(_code(reason))

    def on_subscribe(_client: Any, _data: Any, mid: int, reasons: Any, *_tail: Any) -> None:
        listener.on_suback(mid, [_code(reason) for reason in reasons])

    def on_publish(_client: Any, _data: Any, mid: int, *tail: Any) -> None:
        listener.on_puback(mid, _code(tail[0]) if tail else client.puback_code)

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            listener.on_unreadable()
        else:
            listener.on_message(topic, bytes(message.payload), retained=bool(message.retain))

    def on_disconnect(_client: Any, _data: Any, *tail: Any) -> None:
        lost = _lost_code(tail[-2])  # (reason, properties), in 2.x with flags before them
        listener.on_lost(PROTOCOL_ERROR if client.protocol_broken else lost)

    def on_socket_open(_client: Any, _data: Any, opened: Any) -> None:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_publish = on_publish
    client.on_message = on_message
    client.on_disconnect = on_disconnect
    client.on_socket_open = on_socket_open
    client.on_socket_close = lambda *_: listener.on_socket_closing()
    client.on_socket_register_write = lambda *_: listener.on_write_wanted(True)
    client.on_socket_unregister_write = lambda *_: listener.on_write_wanted(False)


def socket_of(client: Client) -> socket.socket | None:
    """The connected socket, plain or TLS; None once paho has closed it."""
    connected = client.socket()
    assert connected is None or isinstance(connected, socket.socket)  # no websockets here
    return connected


def unwire(client: Client) -> None:
    """Hear nothing more of this client, whatever paho still does with it."""
    client.on_socket_close = None
    client.on_socket_register_write = None
    client.on_socket_unregister_write = None
    client.on_disconnect = None
