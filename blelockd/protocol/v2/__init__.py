"""Enrolled guests, everything sealed, a door that cannot be replayed: docs/protocol.md."""
