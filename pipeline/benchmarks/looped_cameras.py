"""Cameras that never end, for endurance runs: clips played for ever over RTSP, or read again and again as files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import av

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.media import file_address
from relaytrack.pipeline.sources.ffmpeg import explain

_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
_PYTHONS = (sys.executable, "/usr/bin/python3")
ABSENT = (
    "GStreamer's RTSP server is not here (on Debian: python3-gi, gir1.2-gst-rtsp-server-1.0 and "
    "gstreamer1.0-plugins-bad); --transport file reads the clips as live files instead"
)


@cache
def python_with_gstreamer() -> str | None:
    """A Python that has GStreamer's RTSP server, or None."""
    for python in dict.fromkeys(_PYTHONS):
        try:
            if subprocess.run([python, "-c", _PROBE], capture_output=True, timeout=60, check=False).returncode == 0:
                return python
        except OSError:
            continue
    return None


def write_clip(source: Path, target: Path, rate: float | None = None) -> Path:
    """Encode a video so that it can be played in a circle: no B frames, a key frame every second.

    Args:
        source: the video.
        target: path of the `.json`; the `.h264` is written beside it.
        rate: frames per second; None for the video's own.

    Returns:
        `target`.

    Raises:
        InputError: the video cannot be read.
    """
    sizes: list[int] = []
    try:
        with av.open(file_address(source)) as container, open(target.with_suffix(".h264"), "wb") as out:
            if not container.streams.video:
                raise InputError(f"{source}: cannot be played in a circle: no video in it")
            stream = container.streams.video[0]
            rate = float(rate or stream.average_rate or 10)
            encoder = av.CodecContext.create("libx264", "w")
            assert isinstance(encoder, av.VideoCodecContext)
            width, height = (_even(side) for side in (stream.codec_context.width, stream.codec_context.height))
            encoder.width, encoder.height = width, height
            encoder.pix_fmt, encoder.framerate = "yuv420p", _fraction(rate)
            encoder.time_base = 1 / _fraction(rate)
            encoder.gop_size = max(1, round(rate))
            encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "23"}
            pictures: Any = (frame for frame in container.decode(stream))
            for number, frame in enumerate(pictures):
                plain = frame.reformat(width, height, format="yuv420p")
                plain.pts, plain.time_base = number, encoder.time_base
                sizes += _write(out, encoder.encode(plain))
            sizes += _write(out, encoder.encode(None))
    except (OSError, ValueError, av.error.FFmpegError) as error:
        reason = explain(error) if isinstance(error, av.error.FFmpegError) else str(error)
        raise InputError(f"{source}: cannot be played in a circle: {reason}") from None
    if not sizes:
        raise InputError(f"{source}: no picture in it")
    target.write_text(json.dumps({"rate": rate, "sizes": sizes}))
    return target


def _even(side: int) -> int:
    """The encoder's colours have half as many places, and it takes no tiny pictures."""
    return max(16, side - side % 2)


def _fraction(rate: float) -> Any:
    from fractions import Fraction

    return Fraction(rate).limit_denominator(1001)


def _write(out: Any, packets: Sequence[Any]) -> list[int]:
    return [out.write(bytes(packet)) for packet in packets]


class LoopServer:
    """The server of `rtsp_loop.py` as a process of its own, to be used in a `with` block.

    Args:
        clips: what `write_clip` made.
        port: where to listen on 127.0.0.1; 0 takes any free port, a later start the same again.

    Raises:
        InputError: GStreamer's RTSP server is absent, or doesn't start.
    """

    def __init__(self, clips: Sequence[Path], port: int = 0) -> None:
        self.port = port
        self._clips = [str(clip) for clip in clips]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        python = python_with_gstreamer()
        if python is None:
            raise InputError(ABSENT)
        script = str(Path(__file__).with_name("rtsp_loop.py"))
        self.process = subprocess.Popen(
            [python, script, str(self.port), *self._clips], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        if words[:1] != ["ready"]:
            self.kill()
            raise InputError("GStreamer's RTSP server does not start")
        self.port = int(words[1])

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def url(self, number: int) -> str:
        """The address of a clip."""
        return f"rtsp://127.0.0.1:{self.port}/{number % len(self._clips)}"

    def __enter__(self) -> LoopServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
