"""What `blelock-issuer broker-config` made, taken as its steps say, but to a loopback broker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from blelockd.adapters.mosquitto import BROKER_DIRECTORY
from blelockd.adapters.mqtt import BrokerSettings
from blelockd.config import IssuerConfig, LockConfig
from blelockd.roles.broker import broker_settings
from tests.fakes.broker import Broker, Terms, running_broker
from tests.fakes.parties import at

_YAML: Final = re.compile(r"^ +mqtt:\n(?:^ +\S.*\n)+", re.MULTILINE)
_PORT_LINE: Final = "listener 8883\n"


class TakenKit:
    """The kit in `directory`: its broker, and its clients' configurations."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.steps = (directory / "STEPS.txt").read_text()

    @contextmanager
    def broker(self) -> Iterator[Broker]:
        """A mosquitto with the kit's configuration, on a port of its own."""
        configuration = (self.directory / "broker/blelock.conf").read_text()
        assert _PORT_LINE in configuration
        extra = configuration.replace(_PORT_LINE, "")
        extra = extra.replace(str(BROKER_DIRECTORY), str(self.directory / "broker"))
        with running_broker(Terms(extra=extra)) as broker:
            yield broker

    def settings(self, user: str, broker: Broker, client_id: str = "") -> BrokerSettings:
        """How the daemon that is `user` finds `broker` when it is configured as the steps say."""
        config = self.config(user)
        settings = broker_settings(config.mqtt)
        return at(broker, client_id or settings.client_id, replace(settings, keepalive_seconds=2))

    def config(self, user: str) -> IssuerConfig | LockConfig:
        """What the steps tell `user` to have configured, its files found in the kit."""
        told = next(yaml for yaml in _YAML.findall(self.steps) if f"username: {user}\n" in yaml)
        needed, of = ("", IssuerConfig) if "." in user else (f"lock_id: {user}\n", LockConfig)
        folder = "issuer" if "." in user else f"lock-{user}"
        here = re.sub(r"/etc/blelock\b", str(self.directory / folder), _dedented(told))
        return of.from_yaml(needed + here, f"{user}'s")


def _dedented(text: str) -> str:
    margin = len(text) - len(text.lstrip(" "))
    return "".join(line[margin:] for line in text.splitlines(keepends=True))
