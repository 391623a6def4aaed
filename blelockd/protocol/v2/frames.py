"""v2 framing: `flags u8 | seq u8 | u16 | payload`, in order, one message to a connection at a time.

b0 of a frame is 0x80 | START | END; the u16 is the message's length in the first frame and the
offset in every other. A v1 message begins with 0x7B, so neither is taken for the other.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Self

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.wire import u8, u16

LARGEST_MESSAGE_BYTES: Final = 1024
MOST_FRAMES: Final = 64
MOST_CONNECTIONS: Final = 32
LONGEST_PAUSE_SECONDS: Final = 2.0
LONGEST_SECONDS: Final = 5.0

_FRAME: Final = 0x80
_START: Final = 0x01
_END: Final = 0x02
_HEADER_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `place` is the message's length in the first, else the offset of `payload`."""

    starts: bool
    ends: bool
    seq: int
    place: int
    payload: bytes

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Raises Malformed."""
        if len(raw) <= _HEADER_BYTES:
            raise Malformed("a frame has a header and at least one byte")
        flags, seq, place = raw[0], raw[1], int.from_bytes(raw[2:4], "big")
        if flags & ~(_START | _END) != _FRAME:
            raise Malformed("not a frame of version 2")
        if seq >= MOST_FRAMES or bool(flags & _START) is not (seq == 0):
            raise Malformed("a frame is out of order")
        if not 1 <= place <= LARGEST_MESSAGE_BYTES:  # an offset, too: other frames go before it
            raise Malformed(f"a message's length, or an offset, is 1 to {LARGEST_MESSAGE_BYTES}")
        return cls(bool(flags & _START), bool(flags & _END), seq, place, raw[_HEADER_BYTES:])


def frames(message: bytes, largest_frame_bytes: int) -> list[bytes]:
    """`message`, 1 to 1024 bytes, as it is sent; raises Malformed where 64 frames are too few."""
    if not 1 <= len(message) <= LARGEST_MESSAGE_BYTES:
        raise Malformed(f"a message has 1 to {LARGEST_MESSAGE_BYTES} bytes")
    room = largest_frame_bytes - _HEADER_BYTES
    if room < 1 or -(-len(message) // room) > MOST_FRAMES:
        raise Malformed(f"frames of {largest_frame_bytes} bytes are too small for this message")
    starts = range(0, len(message), room)
    return [_frame(message, seq, at, room) for seq, at in enumerate(starts)]


def _frame(message: bytes, seq: int, at: int, room: int) -> bytes:
    part = message[at : at + room]
    flags = (_START if at == 0 else 0) | (_END if at + len(part) == len(message) else 0)
    return u8(_FRAME | flags) + u8(seq) + u16(at if at else len(message)) + part


class _Partial:
    __slots__ = ("begun_seconds", "frames", "last_seconds", "raw", "total")

    def __init__(self, total: int, now_seconds: float) -> None:
        self.total = total
        self.begun_seconds = self.last_seconds = now_seconds
        self.raw = b""
        self.frames = 0


class Reassembler:
    """Messages from frames, one in the making for each connection.

    Of `most_connections` the one longest without a frame makes room. `dropped` counts the messages
    given up. What a guest hears comes in another way: see answer_frames.
    """

    def __init__(self, most_connections: int = MOST_CONNECTIONS) -> None:
        self._most = most_connections
        self._partials: OrderedDict[str, _Partial] = OrderedDict()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._partials)

    def feed(self, connection: str, frame: bytes, now_seconds: float) -> bytes | None:
        """The message that `frame` completes, or None while more is to come.

        Any fault gives up the connection's message and raises Malformed: disconnect then.
        `now_seconds` is monotonic.
        """
        self.expire(now_seconds)
        try:
            return self._take(connection, frame, now_seconds)
        except Malformed:
            self.forget(connection)
            raise

    def forget(self, connection: str) -> None:
        """Give up what that connection has sent so far."""
        if self._partials.pop(connection, None) is not None:
            self.dropped += 1

    def expire(self, now_seconds: float) -> list[str]:
        """Give up what takes too long: the connections, to be disconnected."""
        late = [
            connection
            for connection, partial in self._partials.items()
            if now_seconds - partial.last_seconds > LONGEST_PAUSE_SECONDS
            or now_seconds - partial.begun_seconds > LONGEST_SECONDS
        ]
        for connection in late:
            self.forget(connection)
        return late

    def _take(self, connection: str, raw: bytes, now_seconds: float) -> bytes | None:
        frame = Frame.decode(raw)
        if frame.starts:
            partial = self._begin(connection, frame.place, now_seconds)
        else:
            partial = self._go_on(connection, frame.place, now_seconds)
        if frame.seq != partial.frames:
            raise Malformed("a frame is out of order")
        partial.frames += 1
        partial.raw += frame.payload
        if len(partial.raw) > partial.total:
            raise Malformed("the message is longer than it said")
        if frame.ends is not (len(partial.raw) == partial.total):
            raise Malformed("the message does not end where it said")
        if not frame.ends:
            return None
        del self._partials[connection]
        return partial.raw

    def _begin(self, connection: str, total: int, now_seconds: float) -> _Partial:
        if connection in self._partials:
            raise Malformed("a message begins inside another")
        if len(self._partials) >= self._most:
            self._partials.popitem(last=False)
            self.dropped += 1
        partial = self._partials[connection] = _Partial(total, now_seconds)
        return partial

    def _go_on(self, connection: str, offset: int, now_seconds: float) -> _Partial:
        partial = self._partials.get(connection)
        if partial is None:
            raise Malformed("a frame of no message that began")
        if offset != len(partial.raw):
            raise Malformed("a frame is not where the one before it ended")
        partial.last_seconds = now_seconds
        self._partials.move_to_end(connection)
        return partial
