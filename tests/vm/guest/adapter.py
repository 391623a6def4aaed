"""Runs in the machine: an adapter of the kernel's, by /dev/vhci, whose radio is outside.

Carries HCI packets between the kernel and a serial port, each with its length before it. The
adapter is there for as long as this runs: stopping it is pulling the adapter out.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import struct
import sys
import time
from pathlib import Path

VHCI = "/dev/vhci"
PRIMARY = b"\xff\x00"  # drivers/bluetooth/hci_vhci.c: create a primary controller
VENDOR = 0xFF
LENGTH = struct.Struct("<H")
LARGEST_PACKET_BYTES = 4096
TURN_SECONDS = 10.0
PLUGGED_IN = LENGTH.pack(0)
PULLED_OUT = LENGTH.pack(0xFFFF)


def write_all(descriptor: int, data: bytes) -> None:
    """All of `data`, however little the port takes at once."""
    while data:
        data = data[os.write(descriptor, data) :]


def wait_for_turn(name: str) -> None:
    """The kernel counts adapters as they come: let those with lower numbers come first."""
    until = time.monotonic() + TURN_SECONDS
    lower = [Path(f"/sys/class/bluetooth/hci{n}") for n in range(int(name.removeprefix("hci")))]
    while not all(each.exists() for each in lower) and time.monotonic() < until:
        time.sleep(0.05)


def main(name: str) -> int:
    """Carry until the port, the kernel or SIGTERM ends it."""
    wait_for_turn(name)
    port = os.open(f"/dev/virtio-ports/{name}", os.O_RDWR)
    vhci = os.open(VHCI, os.O_RDWR)
    pulled_out, hand = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(hand, b"."))
    write_all(port, PLUGGED_IN)
    os.write(vhci, PRIMARY)
    status = carry(port, vhci, pulled_out)
    write_all(port, PULLED_OUT)
    return status


def hand_in(vhci: int, packet: bytes) -> None:
    """What the kernel does not take, as while the adapter is off, it never hears."""
    try:
        os.write(vhci, packet)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise


def carry(port: int, vhci: int, pulled_out: int) -> int:
    """Packets, both ways, until something is to be read from `pulled_out`, or the port ends."""
    poll = select.poll()
    poll.register(pulled_out, select.POLLIN)
    poll.register(port, select.POLLIN)
    poll.register(vhci, select.POLLIN)
    heard = b""
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == pulled_out:
                return 0
            if descriptor == vhci:
                packet = os.read(vhci, LARGEST_PACKET_BYTES)
                if packet[0] != VENDOR:
                    write_all(port, LENGTH.pack(len(packet)) + packet)
                continue
            more = os.read(port, 65536)
            if not more:
                return 1
            heard += more
            while len(heard) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(heard)[0]
                if len(heard) < end:
                    break
                hand_in(vhci, heard[LENGTH.size : end])
                heard = heard[end:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
