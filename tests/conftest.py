"""What holds for every test: Hypothesis judges values, never the speed of the machine."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("here", deadline=None)
# A red CI must be the fault of the tree, and red again on the next run.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
