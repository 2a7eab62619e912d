"""The exception tree. Whatever a user can cause ends as one of these: one line, exit code 2."""

from __future__ import annotations


class RelayTrackError(Exception):
    """Base of all errors that a user can cause; the message is one line naming file, camera or key."""


class ConfigError(RelayTrackError):
    """The configuration is wrong: an unknown key, a wrong type, two cameras with one name."""


class SourceError(RelayTrackError):
    """A camera cannot be opened or read. The message names the camera and never holds a password."""


class DetectorError(RelayTrackError):
    """A detector cannot be built or run: unknown backend, missing weights, a device that is not there."""


class DeviceError(RelayTrackError):
    """The requested device is not there, or a network would not really run on it."""


class OutputError(RelayTrackError):
    """A result cannot be written: folder not empty, not writable, disk full."""


class InputError(RelayTrackError):
    """What a user gives is missing or malformed: a file, or the answer of a detector or tracker of their own."""


class SinkError(RelayTrackError):
    """A receiver of the results failed for good; the message names it."""
