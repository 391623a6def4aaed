"""`python -m blelockd.virtual`: what is typed wrong is told in words, before anything starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMAND = (sys.executable, "-m", "blelockd.virtual")


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        (["host:x"], "'host:x': after the colon stands how many adapters the host has, 0 to 16"),
        (["host:"], "'host:': after the colon stands how many adapters the host has, 0 to 16"),
        (["host:-1"], "'host:-1': after the colon stands how many adapters"),
        (["host:17"], "'host:17': after the colon stands how many adapters"),
        (["host:99999999999999999999"], "after the colon stands how many adapters"),
        (["the-lock"], "'the-lock': a host's name is letters, digits and _"),
        ([":2"], "':2': a host's name is letters, digits and _"),
        (["lock", "guest", "lock:2"], "two hosts cannot have the same name: lock"),
    ],
)
def test_hosts_that_cannot_be_are_a_usage_error(hosts: list[str], words: str) -> None:
    done = subprocess.run(
        (*COMMAND, *hosts), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_host_has_as_many_adapters_as_were_asked_for() -> None:
    with subprocess.Popen((*COMMAND, "lock:2", "guest"), stdout=subprocess.PIPE, text=True) as air:
        assert air.stdout is not None
        told = ""
        for line in air.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        air.terminate()
    assert air.returncode == 0
    assert "00:1B:DC:00:00:02" in told
    assert "00:1B:DC:00:00:03" in told
