"""The exceptions that `trackers` raises; the message is always one line."""

from __future__ import annotations


class TrackerError(Exception):
    """Base of all errors of this package."""


class TrackerInputError(TrackerError, ValueError):
    """An array or file has the wrong shape, type or content."""


class TimeError(TrackerError, ValueError):
    """Time went backwards."""


class MissingDependencyError(TrackerError, ImportError):
    """An optional library that the call needs is not installed."""
