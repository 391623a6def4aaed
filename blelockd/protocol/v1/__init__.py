"""The seed's own wire, exactly: docs/protocol.md, version 1."""
