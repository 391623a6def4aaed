"""From the configuration's advertisement to what the broadcaster needs."""

from __future__ import annotations

from blelockd.adapters.bluez.broadcaster import Advertisement
from blelockd.config import BeaconConfig, TokenAdvertConfig


def advertisement(config: BeaconConfig | TokenAdvertConfig) -> Advertisement:
    """The advertisement that `config` describes."""
    return Advertisement(
        company_id=config.company_id,
        name=config.name,
        service_uuids=config.service_uuids,
        appearance=config.appearance,
        min_interval_ms=config.min_interval_ms,
        max_interval_ms=config.max_interval_ms,
    )
