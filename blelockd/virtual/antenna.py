"""One end of a socket to the air: lines in, frames out. Knows no frame's meaning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from blelockd.virtual.wire import MAX_LINE, Frame, FrameError, decode, encode


class Antenna(asyncio.Protocol):
    """Sends and receives frames. `on_lost` hears why, once, when the other end is gone."""

    def __init__(
        self,
        on_frame: Callable[[Antenna, Frame], None],
        on_lost: Callable[[Antenna, Exception | None], None],
    ) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._received = b""
        self._transport: asyncio.Transport | None = None

    @property
    def waiting_bytes(self) -> int:
        """What the other end has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, frame: Frame) -> None:
        """Send one frame; a frame for a socket that is gone is gone too."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(frame))

    def close(self) -> None:
        """Leave the air."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into lines. A line that is no frame ends the connection."""
        *lines, self._received = (self._received + data).split(b"\n")
        try:
            if len(self._received) > MAX_LINE:
                raise FrameError("line without end")
            for line in lines:
                self._on_frame(self, decode(line))
        except FrameError as error:
            self.close()
            self._on_lost(self, error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._on_lost(self, exc)
