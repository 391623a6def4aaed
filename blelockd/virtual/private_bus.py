"""A dbus-daemon of one's own, in a directory of one's own: the system bus of one virtual host.

Its policy lets everybody do everything that the machine's own lets a daemon without privileges do
somewhere: who may do what is the machine's business, what nobody may do is the same here.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Final

from blelockd.virtual import processes

MAX_SOCKET_PATH: Final = 100  # sockaddr_un holds 108 bytes

_CONFIGURATION: Final = """<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
    <!-- As in the stock system.conf: dbus-daemon itself is not pinged. -->
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Peer"/>
  </policy>
</busconfig>
"""


class PrivateBus:
    """`async with PrivateBus(directory) as bus`: bus.address is what clients connect to."""

    def __init__(self, directory: Path, name: str = "bus") -> None:
        self._socket = directory / name
        if len(str(self._socket)) > MAX_SOCKET_PATH:
            raise processes.StartError(
                f"{self._socket} is too long for a socket. Remedy: a shorter TMPDIR"
            )
        self._daemon = processes.Child("dbus-daemon", self._socket.with_suffix(".bus.log"))
        self.address = f"unix:path={self._socket}"

    @property
    def pid(self) -> int | None:
        """The process id of the dbus-daemon, while it runs."""
        return self._daemon.pid

    async def start(self) -> None:
        """Start the daemon and wait until it listens. Raises StartError."""
        configuration = self._socket.with_suffix(".xml")
        configuration.write_text(_CONFIGURATION.format(socket=self._socket))
        await self._daemon.start(
            "dbus-daemon",
            f"--config-file={configuration}",
            "--nofork",
            "--nopidfile",
            "--print-address",
        )

    async def stop(self) -> None:
        """End the daemon: every connection to it is lost."""
        await self._daemon.stop()

    async def __aenter__(self) -> PrivateBus:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
