"""Somebody else with a connection to the broker, who reads and writes what it likes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import paho.mqtt.client as paho

from blelockd.virtual.broker import Broker

_SECONDS: Final = 30.0


class StrangerAtBroker:
    """Publishes with QoS 1 and records what passes by."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.overheard: list[tuple[str, bytes]] = []

    def publish(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Return when the broker has taken all of them."""
        sent = [self._client.publish(topic, payload, qos=1, retain=retain) for payload in payloads]
        for message in sent:
            message.wait_for_publish(_SECONDS)
            assert message.is_published()


@contextmanager
def stranger_at(broker: Broker) -> Iterator[StrangerAtBroker]:
    """A stranger who overhears every topic."""
    versions = getattr(paho, "CallbackAPIVersion", None)
    client: Any = paho.Client(versions.VERSION2) if versions else paho.Client()
    client.max_inflight_messages_set(200)
    stranger = StrangerAtBroker(client)
    listening = threading.Event()
    client.on_subscribe = lambda *_: listening.set()
    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_message = lambda _client, _data, message: stranger.overheard.append(
        (message.topic, message.payload)
    )
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        assert listening.wait(_SECONDS)
        yield stranger
    finally:
        client.disconnect()
        client.loop_stop()
