"""Reads a folder of images: the layout of MOTChallenge (`img1/000001.jpg`, `seqinfo.ini`) or a plain folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from relaytrack.pipeline.records import Image
from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.image_converter import fitted, with_edges
from relaytrack.reid.picture_kinds import is_picture, left_out
from relaytrack.reid.pictures import PictureError, read_picture
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.seqinfo import read_seqinfo

_VIDEOS = "3gp asf avi dav flv h264 h265 hevc m2ts m4v mjpeg mkv mov mp4 mpeg mpg mts ogv ts webm wmv y4m"
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _VIDEOS.split())
DEFAULT_FPS = 30.0
_MOST_DIGITS = 9  # of a frame's number; longer ones are times of day or seconds since 1970
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image, not yet read: `index` from 1, `time` in seconds from the first image."""

    index: int
    time: float
    raw: Path


class ImageFolderReader:
    """The images of a folder in the order of their names, numbers in them taken as numbers.

    In MOTChallenge's layout, where the names are frame numbers, a missing picture leaves a gap in the numbers;
    elsewhere the pictures are numbered in order. The rate is that of the configuration, else `frameRate` of
    `seqinfo.ini`, else 30 per second.

    Attributes:
        fps: rate of the images.
        size: (width, height) of the first one that can be read.
        broken: images that could not be read so far.
        duration: seconds from the first image to the end of the last.
    """

    def __init__(self, folder: Path, fps: float | None = None) -> None:
        """Prepare to read `folder` at `fps` images per second (None: see the class)."""
        self.fps: float | None = fps
        self.size: tuple[int, int] = (0, 0)
        self.broken = 0
        self.duration: float | None = None
        self._said: list[str] = []
        self._scaled = 0
        self._folder = folder
        self._files: list[Path] = []
        self._numbers: Sequence[int] = ()

    def open(self) -> None:
        """List the images and read the first one.

        Raises:
            ReadError: no image in the folder, none that can be read, or a wrong `seqinfo.ini`.
        """
        images, rate = self._sequence_info()
        folder = self._folder / images
        mot = images != "." or (self._folder / "seqinfo.ini").is_file()
        try:
            files, dead, others = list_pictures(folder)
        except OSError as error:
            raise ReadError(f"the folder cannot be read ({error.strerror})") from None
        if not files:
            raise ReadError(
                "no images in this folder"
                + (", only links that lead nowhere" if dead else f"; {others}" if others else _videos_in(folder))
            )
        self._said = said = [others] if others else []
        if dead:
            links = "1 link that leads" if dead == 1 else f"{dead} links that lead"
            said.append(f"{links} nowhere left out of the folder")
        self._files = sorted(files, key=lambda path: (natural_key(path.stem), path.name))
        self._numbers = _numbers(self._files) if mot else range(1, len(files) + 1)
        if mot and any(len(path.stem) > _MOST_DIGITS and path.stem.isdecimal() for path in files):
            said.append("the pictures are called by numbers too long for frames: they are counted in order")
        self.fps = self.fps or rate or DEFAULT_FPS
        self.duration = self._numbers[-1] / self.fps
        first = next((image for image in map(_read, self._files) if image is not None), None)
        if first is None:
            raise ReadError("no image in this folder can be read")
        self.size = (first.shape[1], first.shape[0])

    @property
    def files(self) -> list[Path]:
        """The pictures in their order, known after `open`."""
        return self._files

    @property
    def note(self) -> str | None:
        """What a user should know of the folder; None where there is nothing."""
        said, width, height = list(self._said), *self.size
        if self._scaled:
            count = "1 picture has" if self._scaled == 1 else f"{self._scaled} pictures have"
            are = "is" if self._scaled == 1 else "are"
            said.append(f"{count} another size than the first ({width} x {height}) and {are} scaled to it")
        return "; ".join(said) or None

    def pictures(self) -> Iterator[ImageFile]:
        """Every image of the folder in order; `convert` reads it."""
        assert self.fps is not None, "open() comes first"
        for number, path in zip(self._numbers, self._files, strict=True):
            yield ImageFile(number, (number - 1) / self.fps, path)

    def convert(self, file: Path) -> Image | None:
        """Read one image as uint8 RGB, scaled into the size of the first; None (and counted) if it is broken."""
        image = _read(file)
        if image is None:
            self.broken += 1
        elif image.shape[1::-1] != self.size:
            self._scaled += 1
            inner = fitted((image.shape[1], image.shape[0]), self.size)
            image = cv2.resize(image, inner, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            image = image if inner == self.size else with_edges(image, self.size)
        return image

    def close(self) -> None:
        """Nothing is held open between images."""

    def _sequence_info(self) -> tuple[str, float | None]:
        """The subfolder of the images ('.' for a plain folder) and the rate that `seqinfo.ini` gives."""
        default = "img1" if (self._folder / "img1").is_dir() else "."
        try:
            info = read_seqinfo(self._folder / "seqinfo.ini")
            rate = None if self.fps else info.rate()
        except TrackerInputError as error:
            raise ReadError(str(error).removeprefix(f"{self._folder}/")) from None
        named = info.images or default
        return (named if os.path.isdir(self._folder / named) else default), rate


def _videos_in(folder: Path) -> str:
    """A hint where a folder that was taken for one of pictures holds videos."""
    count = len(list_videos(folder))
    if not count:
        return ""
    return f"; it holds {count} videos: name each as a camera" if count > 1 else "; it holds a video: name the file"


def list_pictures(folder: Path) -> tuple[list[Path], int, str | None]:
    """The pictures of a folder, in no order; how many links called like pictures lead nowhere; what is left out.

    Hidden files (macOS writes `._name.jpg` beside each picture) and folders called like pictures are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    shown = [path for path in folder.iterdir() if path.name[0] != "."]
    named = [path for path in shown if is_picture(path)]
    dead = sum(path.is_symlink() and not path.exists() for path in named)
    return [path for path in named if path.is_file()], dead, left_out(shown)


def list_videos(folder: Path) -> list[Path]:
    """The videos of a folder by their names, numbers in them taken as numbers; hidden files are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    named = [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES and path.name[0] != "."]
    return sorted((path for path in named if path.is_file()), key=lambda path: (natural_key(path.stem), path.name))


def _numbers(files: Sequence[Path]) -> Sequence[int]:
    """Frame numbers, from 1, by the names of files in order; by their places where the names are no frame numbers."""
    stems = [path.stem for path in files]
    if not all(stem.isascii() and stem.isdecimal() and len(stem) <= _MOST_DIGITS for stem in stems):
        return range(1, len(files) + 1)
    numbers = [int(stem) - int(stems[0]) + 1 for stem in stems]
    return numbers if len(set(numbers)) == len(numbers) else range(1, len(files) + 1)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key by which frame2 comes before frame10."""
    parts = _DIGITS.split(name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def _read(path: Path) -> Image | None:
    try:
        return read_picture(path)
    except (OSError, PictureError):
        return None
