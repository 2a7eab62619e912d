"""What several sections share: a person's colours, links into the videos, pictures within the page."""

from __future__ import annotations

import base64
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from relaytrack.pipeline.palette import ink_on
from relaytrack.pipeline.results.run_data import RunData


@dataclass(frozen=True, slots=True)
class VideoLink:
    """A moment of a camera's video.

    Attributes:
        title: the camera and the time of day or of the run.
        href: relative address of the video with the second, None where there is no video.
        at: the second in the video.
    """

    title: str
    href: str | None = None
    at: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture of a person with where and when, or those alone.

    Attributes:
        link: opens the video.
        camera: where; moment: when, as text.
        source: the picture as a data address, None where there is none.
    """

    link: VideoLink
    camera: str
    moment: str
    source: str | None


def style_of(data: RunData, identity: int) -> str:
    """CSS of a person's colours, the ones of the videos."""
    color = data.colors.of(identity)
    return f"background:rgb{color};color:rgb{ink_on(color)}"


def address(path: str, fragment: str = "") -> str:
    """A relative address of a file beside the page, safe whatever the file's name is."""
    quoted = urllib.parse.quote(path)
    return f"{quoted}#{fragment}" if fragment else quoted


def video_link(data: RunData, camera: str, time: float) -> VideoLink:
    """A link that opens the camera's video at a moment of the run."""
    title = f"{camera} at {data.moment(time)}"
    found = data.video_at(camera, time)
    if found is None:
        return VideoLink(title)
    file, second = found
    return VideoLink(title, address(file, f"t={second:.1f}"), f"{second:.1f}")


def figure(data: RunData, camera: str, time: float, file: str | None) -> Figure:
    """A picture of a run's folder as a figure; `file` is relative, None for no picture."""
    source = None if file is None else _inline(data.folder, file)
    return Figure(video_link(data, camera, time), camera, data.moment(time), source)


def as_source(jpeg: bytes) -> str:
    """A JPEG as a data address."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _inline(folder: Path, file: str) -> str | None:
    """A picture as a data address; None if it is not there or not below the folder."""
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        return None
    return as_source(path.read_bytes())
