"""The real mosquitto that the demo uses, too."""

from blelockd.virtual.broker import Broker, Terms, running_broker

__all__ = ["Broker", "Terms", "running_broker"]
