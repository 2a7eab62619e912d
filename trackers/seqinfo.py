"""`seqinfo.ini` of MOTChallenge: what it says of a sequence, each value looked at only where it is needed."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.textfile import read_text


@dataclass(frozen=True, slots=True)
class SeqInfo:
    """The section [Sequence] of one file.

    Attributes:
        file: the file, for messages.
        values: its entries by name in small letters; empty ones are left out.
    """

    file: Path
    values: Mapping[str, str]

    @property
    def name(self) -> str | None:
        """The sequence's name, or None."""
        return self.values.get("name")

    @property
    def images(self) -> str | None:
        """The folder of the images, or None."""
        return self.values.get("imdir")

    def length(self) -> int | None:
        """Number of frames, or None where the file does not say.

        Raises:
            TrackerInputError: not a whole number above 0.
        """
        text = self.values.get("seqlength")
        if text is None:
            return None
        try:
            length = int(text)
        except ValueError:
            length = 0
        if length < 1:
            raise TrackerInputError(f"{self.file}: seqLength is {text!r}, not a number of frames")
        return length

    def rate(self) -> float | None:
        """Frames per second, or None where the file does not say.

        Raises:
            TrackerInputError: not a number above 0 and up to 1000.
        """
        text = self.values.get("framerate")
        if text is None:
            return None
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= 1000:
            raise TrackerInputError(f"{self.file}: frameRate is {text!r}, not a frame rate")
        return rate


def read_seqinfo(file: str | Path) -> SeqInfo:
    """Read a `seqinfo.ini`; a file that is not there says nothing.

    Raises:
        TrackerInputError: it cannot be read, or has no section [Sequence].
    """
    file = Path(file)
    if not file.is_file():
        return SeqInfo(file, {})
    ini = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        ini.read_string(read_text(file, 1_000_000))
        section = next(ini[name] for name in ini.sections() if name.strip().lower() == "sequence")
    except (OSError, ValueError, configparser.Error, StopIteration):
        raise TrackerInputError(f"{file}: not a seqinfo.ini with a section [Sequence]") from None
    return SeqInfo(file, {key: value.strip() for key, value in section.items() if value and value.strip()})
