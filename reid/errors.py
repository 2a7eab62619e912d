"""The exceptions that `reid` raises; the message is always one line."""

from __future__ import annotations


class ReidError(Exception):
    """Base of all errors of this package."""


class WeightsError(ReidError):
    """A weight file is missing, unreadable or belongs to another network."""


class DatasetError(ReidError):
    """A data set is missing, incomplete or malformed."""


class ReidConfigError(ReidError):
    """A configuration key is unknown or its value is wrong."""


class TrainingError(ReidError):
    """Training cannot go on (the loss is not finite, for instance)."""


class ReidOutputError(ReidError):
    """A file or folder cannot be written."""


def first_line(error: BaseException) -> str:
    """The text of a library's error in one line; the name of its class if it has no text."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
