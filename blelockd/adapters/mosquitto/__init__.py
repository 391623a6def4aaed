"""What a mosquitto between one issuer and its locks is given: certificates, passwords, access."""

from blelockd.adapters.mosquitto.authority import Authority
from blelockd.adapters.mosquitto.folder import read_known, write
from blelockd.adapters.mosquitto.kit import (
    BROKER_DIRECTORY,
    CA_FILE,
    ISSUER,
    BrokerKit,
    Known,
    Machine,
)

__all__ = [
    "BROKER_DIRECTORY",
    "CA_FILE",
    "ISSUER",
    "Authority",
    "BrokerKit",
    "Known",
    "Machine",
    "read_known",
    "write",
]
