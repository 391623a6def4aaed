"""`python -m tests.attack.fuzz.one NAME ...`: one target under atheris, for as long as it is told.

What comes after the name goes to libFuzzer. A process to each target: what is instrumented is the
project alone, and a fault ends the process and leaves its input.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["blelockd", "tests.attack.fuzz"]):
    from tests.attack.fuzz.targets import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    take = next(target.take for target in TARGETS if target.name == name)
    atheris.Setup([sys.argv[0], *options], lambda raw: (take(raw), None)[1])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
