"""A Debian machine without a kernel of its own: a root file system in layers, entered by chroot.

The layers are an overlay, mounted in a namespace that ends with each command: no mount and no
process is ever left. It is volatile: what lasts a test only is not waited for on the disk. The
machine has a /dev of its own, so nothing in it reaches ours. Needs root.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.checkout import ROOT

COMMAND_SECONDS: Final = 600
ROLES: Final = ("issuer", "lock", "guest")

_ENTER: Final = """
set -e
rm -rf "$3/work"
mount -t overlay overlay -o "lowerdir=$4,upperdir=$2,workdir=$3,volatile" "$1"
mount -t proc proc "$1/proc"
if [ -n "$5" ]; then mount --bind "$5" "$1/var/cache/apt/archives"; fi
root=$1
shift 5
chroot "$root" "$@"
"""
_ENVIRONMENT: Final = (
    "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    "HOME=/",
)
_PRIVATE: Final = ("--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")

# What a machine remembers of any installation, whatever was installed.
_MEMORIES: Final = re.compile(
    r"/var/(lib/(dpkg|apt|systemd/deb-systemd-helper-masked)|log|cache)(/|$)"
    r"|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$|/etc/ld\.so\.cache$"
    r"|/(tmp|proc|dev|sys|srv)(/|$)|/var/tmp(/|$)|\.pyc$|/__pycache__$"
)


class Failed(AssertionError):
    """A command in the machine failed; the text is all that it said."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`layers` of root file systems, the topmost first, under one of its own in `scratch`."""

    scratch: Path
    layers: tuple[Path, ...]
    archives: Path | None = None

    def __post_init__(self) -> None:
        for name in ("upper", "work", "root"):
            (self.scratch / name).mkdir(parents=True, exist_ok=True)

    def run(self, script: str, *arguments: str) -> str:
        """Run a shell script, with `arguments` as $1 and on; returns its output, raises Failed."""
        done = self.attempt(script, *arguments)
        if done.returncode != 0:
            raise Failed(f"{script}\nended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def attempt(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a shell script that may fail; output and errors are in stdout."""
        here = self.scratch
        places = (here / "root", here / "upper", here / "work")
        lower = ":".join(map(str, self.layers))
        enter = ["sh", "-c", _ENTER, "sh", *map(str, places), lower, str(self.archives or "")]
        inside = ["/usr/bin/env", "-i", *_ENVIRONMENT, "sh", "-euc", script, "sh", *arguments]
        return subprocess.run(
            ["unshare", *_PRIVATE, *enter, *inside],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file into the machine."""
        file = self.scratch / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)

    def install(self, *packages: Path) -> str:
        """`apt install ./x.deb` of each of `packages`, as a user would; returns what apt said."""
        names = [f"/srv/{package.name}" for package in packages]
        for package, name in zip(packages, names, strict=True):
            self.put(name, package.read_bytes())
        # Whoever is asked about a file that they edited presses Enter.
        install = f'yes "" | {APT} install --yes --no-install-recommends "$@"'
        return self.run(install, *names)

    def on_top(self, scratch: Path) -> Machine:
        """A new machine that begins as this one is now; this one must not be used after."""
        return Machine(scratch, (self.scratch / "upper", *self.layers), self.archives)

    def state(self) -> dict[str, str]:
        """Every file that an installation can leave behind, with its kind, mode, owner, content."""
        state: dict[str, str] = {}
        for line in self.run(_STATE).splitlines():
            what, path = line.split(" ", 1)
            if not _MEMORIES.search(path):
                state[path] = f"{state[path]} {what}" if path in state else what
        return state


APT: Final = "apt-get -qq -o Dpkg::Use-Pty=0"

_STATE: Final = r"""
all() { find / -xdev \( -path /proc -o -path /srv -o -path /var/cache \) -prune -o "$@"; }
all \( -type l -printf 'link:%l %p\n' -o -printf '%y:%m:%u:%g %p\n' \)
all -type f -print0 | xargs -0 sha256sum | sed 's/^\(.\{12\}\)[^ ]* */\1 /'
"""


def base(release: str, scratch: Path) -> Machine:
    """A freshly installed Debian of that release, with what it needs to reach its archive."""
    made = subprocess.run(
        [ROOT / "build-aux/debian-base", "clean", release, "ca-certificates"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=COMMAND_SECONDS,
    ).stdout
    system = scratch / "system"
    system.mkdir()
    subprocess.run(["tar", "-xf", made.strip(), "-C", system], check=True, timeout=COMMAND_SECONDS)
    archives = Path(made.strip()).parent / f"archives-{release}"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    machine = Machine(scratch / "clean", (system,), archives)
    for name in ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt"):
        if os.path.exists(name):
            machine.put(name, Path(name).read_bytes())
    machine.run(f"{APT} update")
    return machine
