"""JSON from strangers: bounded in size, one object, no duplicate names, every value typed.

The v1 wire is JSON (docs/protocol.md, version 1); whatever is not plainly right is Malformed.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import NoReturn

from blelockd.protocol.errors import Malformed


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("a name stands twice in the object")
    return fields


def _no_constant(_name: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")


class JsonObject:
    """One JSON object whose members are read by name, type and bound."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[str, object]) -> None:
        self.fields = fields

    @classmethod
    def parse(cls, raw: bytes, largest_bytes: int) -> JsonObject:
        """The object in `raw`, UTF-8 JSON of at most `largest_bytes`; raises Malformed."""
        if len(raw) > largest_bytes:
            raise Malformed(f"more than {largest_bytes} bytes")
        try:
            value = json.loads(
                raw.decode("utf-8"),
                object_pairs_hook=_no_duplicates,
                parse_constant=_no_constant,
            )
        except UnicodeDecodeError as error:
            raise Malformed("not UTF-8") from error
        except RecursionError as error:
            raise Malformed("nested too deeply") from error
        except Malformed:
            raise
        except ValueError as error:
            raise Malformed("not JSON") from error
        if not isinstance(value, dict):
            raise Malformed("not a JSON object")
        return cls(value)

    def has(self, name: str) -> bool:
        """Whether `name` is there and not null."""
        return self.fields.get(name) is not None

    def text(self, name: str, longest: int) -> str:
        """A string of 1 to `longest` characters; raises Malformed."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise Malformed(f"{name} must be a string of 1 to {longest} characters")
        return value

    def whole(self, name: str, lowest: int, highest: int) -> int:
        """A whole number within the bounds; raises Malformed."""
        value = self.fields.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            raise Malformed(f"{name} must be a whole number from {lowest} to {highest}")
        return value

    def seconds(self, name: str, lowest: int, highest: int) -> int:
        """A number within the bounds, cut to a whole one as the seed does; raises Malformed."""
        value = self.fields.get(name)
        if type(value) not in (int, float) or not lowest <= value <= highest:  # type: ignore[operator]
            raise Malformed(f"{name} must be a number from {lowest} to {highest}")
        return int(value)  # type: ignore[call-overload, no-any-return]

    def base64(self, name: str, longest_bytes: int) -> bytes:
        """1 to `longest_bytes` bytes in strict base64; raises Malformed."""
        return decode_base64(self.text(name, 4 * ((longest_bytes + 2) // 3)), name)

    def nested(self, name: str) -> JsonObject:
        """A member that is an object itself; raises Malformed."""
        value = self.fields.get(name)
        if not isinstance(value, dict):
            raise Malformed(f"{name} must be an object")
        return JsonObject(value)


def decode_base64(text: str, name: str) -> bytes:
    """The bytes of canonical base64 with padding; raises Malformed naming `name`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{name} is not base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise Malformed(f"{name} is not canonical base64")
    return raw


def encode_base64(raw: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(raw).decode("ascii")


def compact(fields: dict[str, object]) -> bytes:
    """The object as the seed writes it: compact separators, ASCII, order kept."""
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode("ascii")
