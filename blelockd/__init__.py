"""blelock: keyless entry for Linux. Three daemons: issuer, guest, lock."""

__version__ = "0.1.0"
