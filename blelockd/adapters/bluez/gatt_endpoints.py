"""Where guest and issuer meet over GATT: the service and characteristics of each version. No code.

docs/protocol.md: "Provisioning (GATT)" for version 1, "INFO, and the service" for version 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service, and its characteristics: the one that is read, written and subscribed to."""

    service_uuid: str
    read_uuid: str
    write_uuid: str
    notify_uuid: str

    @classmethod
    def of_v1(cls, service_uuid: str, characteristic_uuid: str) -> Endpoint:
        """Version 1 has one characteristic for all three."""
        return cls(service_uuid, characteristic_uuid, characteristic_uuid, characteristic_uuid)


V2_ENDPOINT: Final = Endpoint(
    "5f8f0200-3b1e-4c9a-9d47-6e2a71c0b15d",
    "5f8f0201-3b1e-4c9a-9d47-6e2a71c0b15d",
    "5f8f0202-3b1e-4c9a-9d47-6e2a71c0b15d",
    "5f8f0203-3b1e-4c9a-9d47-6e2a71c0b15d",
)
"""INFO is read, REQ is written, RSP notifies."""
