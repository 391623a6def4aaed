"""How the seed does it, written anew from what its programs do, to be measured beside ours.

Its lock computes two tokens for every session it holds, for every advert of the company id; its
issuer opens a connection to the broker for every session. Nothing of blelockd is used here.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt import client as paho

SLOTS_ACCEPTED: Final = 2
_COMPANY_ID: Final = 0xFFFF
_THRESHOLD_DBM: Final = -70
_KEEPALIVE_SECONDS: Final = 60

log: Final = logging.getLogger("tests.bench.seed_way")


@dataclass(frozen=True, slots=True)
class SeedSession:
    """What the seed's lock remembers of a session."""

    key: bytes
    nonce: bytes
    expiry: int
    offset: int


class SeedLock:
    """Sessions in a list, and a loop over them for every advert."""

    def __init__(self, sessions: list[SeedSession], interval_seconds: int) -> None:
        self.sessions = sessions
        self._interval_seconds = interval_seconds
        self.ahead_seconds = 0.0

    def opens(self, token: bytes) -> bool:
        """Whether any session has this token in its current slot, or had it in the last one."""
        now = time.time() + self.ahead_seconds
        return any(self._is_of(session, token, now) for session in self.sessions)

    def _is_of(self, session: SeedSession, token: bytes, now: float) -> bool:
        if now >= session.expiry:
            return False
        current = int((now + session.offset) // self._interval_seconds)
        for slot in range(current, current - SLOTS_ACCEPTED, -1):
            message = session.nonce + str(slot).encode()
            expected = hmac.new(session.key, message, hashlib.sha256).digest()[:16]
            if hmac.compare_digest(token, expected):
                return True
        return False

    def on_advert(self, advert: tuple[str, int, dict[int, bytes]]) -> None:
        """The whole way of an advert (address, RSSI, data by company), its line of log included."""
        address, rssi_dbm, data = advert
        token = data.get(_COMPANY_ID)
        if token is None or rssi_dbm <= _THRESHOLD_DBM:
            return
        if self.opens(token):
            log.info("Token valid for %s; unlocking", address.upper())
        else:
            log.warning("Invalid token from %s: %s", address.upper(), token.hex())


def publish_session(host: str, port: int, topic: str, payload: bytes) -> None:
    """One session to the broker over a connection of its own; blocks until all is over."""
    options: dict[str, Any] = {"client_id": f"seed-{uuid.uuid4().hex[:12]}"}
    api_version = getattr(paho, "CallbackAPIVersion", None)  # since paho 2.0
    if api_version is not None:
        options["callback_api_version"] = api_version.VERSION2
    client = paho.Client(**options)
    client.connect(host, port, _KEEPALIVE_SECONDS)
    client.loop_start()
    try:
        client.publish(topic, payload, qos=1).wait_for_publish()
    finally:
        client.loop_stop()
        client.disconnect()
