"""MQTT: the lock's inbox, the issuer's outlet, and the link that keeps either up."""

from blelockd.adapters.mqtt.inbox import Ear, LockInbox
from blelockd.adapters.mqtt.outlet import IssuerOutlet
from blelockd.adapters.mqtt.settings import BrokerSettings, TlsSettings

__all__ = ["BrokerSettings", "Ear", "IssuerOutlet", "LockInbox", "TlsSettings"]
