"""The files in /etc/blelock: YAML text to a whole, typed configuration, or all its errors.

A configuration that exists is valid. Nothing here opens a device, a socket or a key.
"""

from blelockd.config.changes import Changes, changes
from blelockd.config.common import BindAddress, JournalConfig, MqttConfig, RoleConfig, TlsConfig
from blelockd.config.errors import ConfigError, ConfigErrors, ConfigUnreadable, WrongRole
from blelockd.config.guest import GuestConfig, IssuerMatch, TokenAdvertConfig
from blelockd.config.issuer import BeaconConfig, IssuerConfig, KnownLock
from blelockd.config.lock import Guests, LockConfig, PhoneConfig, ScanMode, StrikeConfig, StrikeType
from blelockd.config.radio import AdvertConfig, ProvisioningConfig

__all__ = [
    "AdvertConfig",
    "BeaconConfig",
    "BindAddress",
    "Changes",
    "ConfigError",
    "ConfigErrors",
    "ConfigUnreadable",
    "GuestConfig",
    "Guests",
    "IssuerConfig",
    "IssuerMatch",
    "JournalConfig",
    "KnownLock",
    "LockConfig",
    "MqttConfig",
    "PhoneConfig",
    "ProvisioningConfig",
    "RoleConfig",
    "ScanMode",
    "StrikeConfig",
    "StrikeType",
    "TlsConfig",
    "TokenAdvertConfig",
    "WrongRole",
    "changes",
]
