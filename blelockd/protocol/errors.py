"""What the protocol answers to bytes it will not take: one error each, with one clear reason."""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes or text are not what the specification says.

    `reason` is safe to log: it never quotes the hostile input.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unauthentic(Exception):
    """A signature or a seal did not open. One error for every cause: no oracle."""

    def __init__(self, reason: str = "signature or seal does not verify") -> None:
        super().__init__(reason)
        self.reason = reason
