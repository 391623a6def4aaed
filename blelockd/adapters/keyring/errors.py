"""Every refusal of a key file: which file, what is wrong with it, what to do about it."""

from __future__ import annotations

from pathlib import Path


class KeyFileError(Exception):
    """A key file that will not be used, or cannot be written."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


class KeyFileMissing(KeyFileError):
    """There is no such key."""


class KeyFileExists(KeyFileError):
    """There is a key already, and it stays."""


class KeyFileUnsafe(KeyFileError):
    """Who may read, change or replace the file is not as it must be."""


class KeyFileFailed(KeyFileError):
    """The system did not let the file be read or written."""
