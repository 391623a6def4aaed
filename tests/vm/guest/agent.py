"""Runs in the machine: does what the test outside asks for, over a serial port.

A request is a line of JSON, {"id", "command", "input", "seconds"}; the answer is one with {"id",
"status", "output"}. A command that takes longer is killed with all that it started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from typing import Any

PORT = "/dev/virtio-ports/agent"
MOST_OUTPUT_BYTES = 4_000_000
TIMED_OUT = 124


def carry_out(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to `request`."""
    process = subprocess.Popen(
        ["/bin/bash", "-c", request["command"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    status = None
    try:
        output, _ = process.communicate(request["input"].encode(), timeout=request["seconds"])
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        status = TIMED_OUT
    text = output[-MOST_OUTPUT_BYTES:].decode("utf-8", "replace")
    return {"id": request["id"], "status": status, "output": text}


def serve(port: int) -> None:
    """Answer until the machine ends. Each request has a thread: some of them wait."""
    writing = threading.Lock()

    def say(answer: dict[str, Any]) -> None:
        line = json.dumps(answer).encode() + b"\n"
        with writing:
            while line:
                line = line[os.write(port, line) :]

    say({"id": 0})
    with open(port, "rb", closefd=False) as requests:
        for line in requests:
            request = json.loads(line)
            threading.Thread(
                target=lambda request=request: say(carry_out(request)), daemon=True
            ).start()


if __name__ == "__main__":
    serve(os.open(PORT, os.O_RDWR))
