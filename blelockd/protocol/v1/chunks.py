"""v1 framing: a message that does not fit one write or notification travels as JSON chunks.

`{"chunk_index":0,"total_chunks":3,"data":"<base64>"}`, in both directions.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.strict_json import JsonObject, compact, encode_base64

LARGEST_MESSAGE_BYTES: Final = 8192
MOST_CHUNKS: Final = 512
LARGEST_FRAME_BYTES: Final = 1024
_ENVELOPE_BYTES: Final = len('{"chunk_index":,"total_chunks":,"data":""}')


def frames(message: bytes, largest_frame_bytes: int) -> list[bytes]:
    """`message` as it is sent: whole when it fits one frame, else as chunks that do.

    Raises Malformed when the frame is too small to carry any chunk, or the message too large.
    """
    if len(message) <= largest_frame_bytes:
        return [message]
    if len(message) > LARGEST_MESSAGE_BYTES:
        raise Malformed(f"a message has at most {LARGEST_MESSAGE_BYTES} bytes")
    for digits in range(1, len(str(MOST_CHUNKS)) + 1):
        room = (largest_frame_bytes - _ENVELOPE_BYTES - 2 * digits) // 4 * 3
        if room <= 0:
            break
        total = -(-len(message) // room)
        if len(str(total)) <= digits and total <= MOST_CHUNKS:
            return [
                _chunk(index, total, message[index * room : (index + 1) * room])
                for index in range(total)
            ]
    raise Malformed(f"no chunk of this message fits {largest_frame_bytes} bytes")


def _chunk(index: int, total: int, part: bytes) -> bytes:
    return compact({"chunk_index": index, "total_chunks": total, "data": encode_base64(part)})


class _Partial:
    __slots__ = ("begun_seconds", "parts", "size", "total")

    def __init__(self, total: int, begun_seconds: float) -> None:
        self.total = total
        self.begun_seconds = begun_seconds
        self.parts: dict[int, bytes] = {}
        self.size = 0

    def lacks(self, index: int, total: int) -> bool:
        return total == self.total and index not in self.parts


class Reassembler:
    """Messages from frames, one in the making for each peer.

    Holds at most `most_peers` unfinished messages (the one longest without a chunk makes room)
    of at most LARGEST_MESSAGE_BYTES, none longer than `longest_seconds` after its first chunk.
    Chunks may come in any order. `dropped` counts the messages given up.
    """

    def __init__(self, most_peers: int = 32, longest_seconds: float = 10.0) -> None:
        self._most_peers = most_peers
        self._longest_seconds = longest_seconds
        self._partials: OrderedDict[str, _Partial] = OrderedDict()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._partials)

    def feed(self, peer: str, frame: bytes, now_seconds: float) -> bytes | None:
        """The message that `frame` completes, or None while more is to come.

        Any fault gives up the peer's message and raises Malformed. `now_seconds` is monotonic.
        """
        self._expire(now_seconds)
        try:
            return self._take(peer, frame, now_seconds)
        except Malformed:
            self.forget(peer)
            raise

    def forget(self, peer: str) -> None:
        """Give up what that peer has sent so far."""
        if self._partials.pop(peer, None) is not None:
            self.dropped += 1

    def _take(self, peer: str, frame: bytes, now_seconds: float) -> bytes | None:
        chunk = JsonObject.parse(frame, LARGEST_FRAME_BYTES)
        if not {"chunk_index", "total_chunks", "data"} <= chunk.fields.keys():
            self.forget(peer)
            return frame
        total = chunk.whole("total_chunks", 1, MOST_CHUNKS)
        index = chunk.whole("chunk_index", 0, total - 1)
        part = chunk.base64("data", LARGEST_FRAME_BYTES)
        partial = self._partial_for(peer, index, total, now_seconds)
        self._partials.move_to_end(peer)
        partial.parts[index] = part
        partial.size += len(part)
        if partial.size > LARGEST_MESSAGE_BYTES:
            raise Malformed(f"a message has at most {LARGEST_MESSAGE_BYTES} bytes")
        if len(partial.parts) < total:
            return None
        del self._partials[peer]
        return b"".join(partial.parts[i] for i in range(total))

    def _partial_for(self, peer: str, index: int, total: int, now_seconds: float) -> _Partial:
        partial = self._partials.get(peer)
        if partial is not None and partial.lacks(index, total):
            return partial
        if partial is not None and index != 0:
            raise Malformed("a chunk does not belong to the message in hand")
        self.forget(peer)  # a sender that was interrupted begins again
        if len(self._partials) >= self._most_peers:
            self._partials.popitem(last=False)
            self.dropped += 1
        begun = self._partials[peer] = _Partial(total, now_seconds)
        return begun

    def _expire(self, now_seconds: float) -> None:
        for peer, partial in list(self._partials.items()):
            if now_seconds - partial.begun_seconds > self._longest_seconds:
                self.forget(peer)
