"""`--source`: one word of the command line to one or more cameras."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from relaytrack.pipeline.config.urls import plain_address, quoted, shown_address
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.sources.images import list_pictures, list_videos, natural_key

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|webcam:", re.IGNORECASE)


def cameras_of(source: str) -> list[dict[str, str]]:
    """Return the cameras that a `[NAME=]URL` means.

    A pattern such as `*.mp4` (that no shell has filled in, and no file is called) is all files it fits; a folder
    of videos is one camera per video, in the order of their names.

    Raises:
        ConfigError: nothing fits the pattern, a folder holds both videos and pictures, or one NAME stands for
            several cameras.
    """
    name, url = _named(source)
    if not url.strip():
        raise ConfigError("--source: no address; give a video, a folder of images, an RTSP address or webcam:0")
    urls = _expanded(plain_address(url))
    if name and len(urls) > 1:
        raise ConfigError(f"--source {name}=...: {len(urls)} videos cannot all be named {name!r}; leave the name out")
    return [{"name": name, "url": url} if name else {"url": url} for url in urls]


def _named(source: str) -> tuple[str, str]:
    name, sign, url = source.partition("=")
    plain = name.replace("-", "").replace("_", "")
    if not sign or os.path.exists(source):
        return "", source
    if plain.isalnum() and plain.isascii():
        return name, url
    if (_ADDRESS.match(url) and not _ADDRESS.match(name)) or os.path.exists(url):
        raise ConfigError(f"--source {quoted(name)}=...: not a camera name: use letters, digits, '_' and '-'")
    return "", source


def _expanded(url: str) -> list[str]:
    if "://" in url or url.startswith("webcam:"):
        return [url]
    if glob.has_magic(url) and not os.path.exists(url):
        found = sorted(glob.glob(url, recursive=True), key=natural_key)
        if not found:
            raise ConfigError(f"--source {shown_address(url)}: no file fits this pattern")
        return found
    folder = Path(url)
    if not os.path.isdir(folder) or os.path.exists(folder / "seqinfo.ini") or os.path.isdir(folder / "img1"):
        return [url]
    try:
        videos, pictures = list_videos(folder), list_pictures(folder)[0]
    except OSError as error:
        raise ConfigError(f"--source {shown_address(url)}: the folder cannot be read ({error.strerror})") from None
    if videos and pictures:
        raise ConfigError(
            f"--source {shown_address(url)}: a folder with {len(videos)} videos and {len(pictures)} pictures in it: "
            "name the videos, or move the pictures into a folder of their own"
        )
    return [str(video) for video in videos] or [url]
