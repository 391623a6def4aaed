"""From the configuration's `mqtt` section to what the MQTT adapter needs."""

from __future__ import annotations

from collections.abc import Callable

from blelockd.adapters.mqtt import BrokerSettings, TlsSettings
from blelockd.config import MqttConfig
from blelockd.services.liveness import Part


def broker_settings(config: MqttConfig) -> BrokerSettings:
    """The settings that `config` stands for."""
    tls = config.tls
    return BrokerSettings(
        client_id=config.client_id,
        host=config.host,
        port=config.port,
        username=config.username,
        password_file=config.password_file,
        tls=None if tls is None else TlsSettings(tls.ca_file, tls.certificate_file, tls.key_file),
        keepalive_seconds=config.keepalive_seconds,
    )


def report_to(part: Part) -> Callable[[bool, str], None]:
    """What the link to the broker says, told to `part`."""
    return lambda is_up, detail: part.up(detail) if is_up else part.down(detail)
