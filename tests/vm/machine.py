"""One machine: QEMU, a disk of its own, and a way to run commands in it.

It knows nothing of blelock. Whatever is asked of it ends within the time that was given.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 4.0
"""How many times the time that is given here may pass: on a quiet machine none of it is needed."""
FIRST_WORD_SECONDS: Final = 15.0
BOOT_SECONDS: Final = 100.0
ANSWER_SECONDS: Final = 10.0
STREAM_BYTES: Final = 16_000_000
_HELLO: Final = 0

Plug = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]
"""Serves one serial port of the machine, from its connection to its end."""


class CommandFailed(Exception):
    """A command in the machine ended with another status than 0, or not in time."""


@dataclass(frozen=True, slots=True)
class Image:
    """What build-aux/vm-image made: a disk, and the kernel to boot it with."""

    directory: Path

    def boot_arguments(self) -> list[str]:
        """For QEMU."""
        return [
            "-kernel",
            str(self.directory / "vmlinuz"),
            "-initrd",
            str(self.directory / "initrd"),
        ]


class Machine:
    """A machine called `name`, from boot() to close(). `plugs` are its serial ports by name."""

    def __init__(
        self, name: str, image: Image, scratch: Path, plugs: Mapping[str, Plug], *, cpus: int = 2
    ) -> None:
        self.name = name
        self._image = image
        self._scratch = scratch / name
        self._plugs = plugs
        self._cpus = cpus
        self._servers: list[asyncio.Server] = []
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._up = asyncio.Event()

    async def prepare(self) -> None:
        """Give it a disk, and ports to be connected to."""
        self._scratch.mkdir()
        source, disk = self._image.directory / "disk.ext4", self._scratch / "disk.ext4"
        copy = ["cp", "--sparse=always", str(source), str(disk)]
        await asyncio.to_thread(subprocess.run, copy, check=True)
        for name, plug in {"agent": self._serve_agent, **self._plugs}.items():
            path = self._scratch / name
            self._servers.append(await asyncio.start_unix_server(plug, path, limit=STREAM_BYTES))

    async def boot(self) -> None:
        """Start it, or start it again; returns when it takes commands.

        An emulated machine hangs at times before its kernel has said a word: it gets one more try.
        """
        await self._start()
        try:
            await self._wait_first_word()
            await self.wait_up()
        except CommandFailed as hung:
            print(f"{hung}\n{self.name} is started once more", flush=True)
            await self.cut_power()
            await self._start()
            await self.wait_up()

    async def _start(self) -> None:
        self._up.clear()
        (self._scratch / "console").unlink(missing_ok=True)
        with (self._scratch / "qemu.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _wait_first_word(self) -> None:
        console = self._scratch / "console"
        for _ in range(round(FIRST_WORD_SECONDS * PATIENCE)):
            if console.exists() and console.stat().st_size:
                return
            await asyncio.sleep(1)
        raise CommandFailed(f"{self.name} does not say a word")

    async def wait_up(self) -> None:
        """Return when the machine, which is booting, takes commands."""
        try:
            async with asyncio.timeout(BOOT_SECONDS * PATIENCE):
                await self._up.wait()
        except TimeoutError:
            raise CommandFailed(f"{self.name} did not boot:\n{self.console()}") from None

    @property
    def is_on(self) -> bool:
        """Whether it takes commands, or did until it broke."""
        return self._up.is_set()

    async def reboot(self) -> None:
        """In order, as a person would."""
        self._up.clear()
        await self._send({"id": -1, "command": "systemctl reboot", "input": "", "seconds": 60})
        await self.wait_up()

    async def cut_power(self) -> None:
        """End it as it is."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        self._up.clear()
        self._abandon("the power was cut")

    async def close(self) -> None:
        """End it for good, and forget its disk."""
        await self.cut_power()
        for server in self._servers:
            server.close()
        await asyncio.to_thread(shutil.rmtree, self._scratch)

    def console(self) -> str:
        """The last that kernel and systemd wrote on the console, and QEMU on its own."""
        told = ""
        for name in ("qemu.log", "console"):
            path = self._scratch / name
            if path.exists():
                told += path.read_text(errors="replace")[-3000:]
        return told

    def _command(self) -> list[str]:
        serial = ["-device", "virtio-serial-pci,max_ports=8"]
        for name in ("agent", *self._plugs):
            serial += ["-chardev", f"socket,id={name},path={self._scratch / name}"]
            serial += ["-device", f"virtserialport,chardev={name},name={name}"]
        # The machine ends with whoever started it.
        return [
            *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"),
            *("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "qemu64"),
            *("-machine", "pc", "-smp", str(self._cpus), "-m", "1024"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none"),
            *("-serial", f"file:{self._scratch / 'console'}", "-device", "virtio-rng-pci"),
            *("-drive", f"file={self._scratch / 'disk.ext4'},format=raw,if=virtio,cache=unsafe"),
            *self._image.boot_arguments(),
            *(
                "-append",
                f"root=/dev/vda rw console=ttyS0 mitigations=off "
                f"systemd.show_status=0 systemd.hostname={self.name}",
            ),
            *serial,
        ]

    # --- commands ------------------------------------------------------------------------------

    async def run(self, command: str, *, seconds: float = 30, stdin: str = "") -> str:
        """The output of a shell command; raises CommandFailed."""
        status, output = await self.attempt(command, seconds=seconds, stdin=stdin)
        if status:
            raise CommandFailed(f"{self.name}: status {status} of: {command}\n{output}")
        return output

    async def attempt(
        self, command: str, *, seconds: float = 30, stdin: str = ""
    ) -> tuple[int, str]:
        """The status and output of a shell command; 124 when it was killed after `seconds`, times
        PATIENCE.
        """
        seconds *= PATIENCE
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        request = {"id": number, "command": command, "input": stdin, "seconds": seconds}
        try:
            await self._send(request)
            async with asyncio.timeout(seconds + ANSWER_SECONDS):
                done = await answer
        except TimeoutError:
            raise CommandFailed(f"{self.name} does not answer: {command}") from None
        finally:
            self._waiting.pop(number, None)
        return int(done["status"]), str(done["output"])

    async def put(self, path: str, content: bytes, *, mode: str = "644") -> None:
        """Write a file."""
        quoted = shlex.quote(path)
        command = f"base64 -d >{quoted} && chmod {mode} {quoted}"
        await self.run(command, stdin=base64.b64encode(content).decode())

    async def _send(self, request: dict[str, Any]) -> None:
        if self._writer is None:
            raise CommandFailed(f"{self.name} is off")
        self._writer.write(json.dumps(request).encode() + b"\n")
        await self._writer.drain()

    async def _serve_agent(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writer = writer
        while line := await reader.readline():
            answer = json.loads(line)
            if answer["id"] == _HELLO:
                self._abandon("the machine was restarted")
                self._up.set()
            elif (waiting := self._waiting.get(answer["id"])) and not waiting.done():
                waiting.set_result(answer)
        if self._writer is writer:
            self._writer = None
        writer.close()

    def _abandon(self, reason: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(CommandFailed(f"{self.name}: {reason}"))
