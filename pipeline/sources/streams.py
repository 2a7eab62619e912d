"""Readers of addresses that are no files: RTSP and other network streams, and webcams."""

from __future__ import annotations

import sys

from relaytrack.pipeline.config.schema import InputConfig
from relaytrack.pipeline.sources.base import ReadError
from relaytrack.pipeline.sources.ffmpeg import check_address, resolve_host, sendable
from relaytrack.pipeline.sources.relay import Relay
from relaytrack.pipeline.sources.video import VideoReader

_WEBCAM = "webcam:"


def connect(
    address: str,
    transport: str,
    options: InputConfig,
    *,
    live: bool,
    pixel_aspect: float | None = None,
    fps: float | None = None,
    confined: bool = False,
) -> VideoReader:
    """Prepare to read a network stream or a webcam; it may take as long as a name look-up.

    Args:
        address: `rtsp://...`, any other `scheme://...` that FFmpeg knows, or `webcam:0`.
        transport: "tcp" or "udp", for RTSP.
        options: time limits and decoder threads.
        live: take the time stamps as they are and never read ahead.
        pixel_aspect: a pixel's width over its height; None: what the stream says.
        fps: pictures per second of a recording without a clock; None: what it says.
        confined: never connect to another host than the address names; see `Relay`.

    Raises:
        ReadError: the host is unknown, there is no such webcam, or a confined camera may not stand there.
    """
    format: str | None = None
    settings: dict[str, str] = {}
    scheme = address.split("://")[0].lower()
    relay: Relay | None = None
    if address.lower().startswith(_WEBCAM):
        format, address = webcam(address[len(_WEBCAM) :])
    elif confined:
        relay = Relay(sendable(address), options.networks, timeout=options.open_timeout)
        address, settings = relay.url, dict(relay.options)
    else:
        address = sendable(address)
        resolve_host(address)
    if scheme in ("rtsp", "rtsps"):
        settings |= {
            "rtsp_transport": transport,
            "allowed_media_types": "video",
            "timeout": str(round(1e6 * options.read_timeout)),  # of the socket, in microseconds
            "analyzeduration": "1000000",  # microseconds of the stream looked at before the first picture
            "fpsprobesize": "3",
        }
    if scheme in ("http", "https") and not live:
        # Else FFmpeg takes a connection that a server has closed without a word for one that it can go on with.
        settings |= {"multiple_requests": "1"}
    return VideoReader(
        address,
        format=format,
        options=settings,
        open_timeout=options.open_timeout,
        read_timeout=options.read_timeout,
        threads=options.threads,
        low_delay=True,
        longest_gap=None if live else options.longest_gap,
        pixel_aspect=pixel_aspect,
        fps=fps,
        relay=relay,
    )


def check_stream(address: str) -> None:
    """See that an address can be one at all; nobody is asked.

    Raises:
        ReadError: it cannot.
    """
    if address.lower().startswith(_WEBCAM):
        webcam(address[len(_WEBCAM) :])
    else:
        check_address(sendable(address))


def webcam(which: str) -> tuple[str, str]:
    """FFmpeg's input format and device name of webcam `which` (a number, or a device's path or name).

    Raises:
        ReadError: webcams cannot be read on this system.
    """
    if sys.platform.startswith("linux"):
        return "v4l2", f"/dev/video{which}" if which.isascii() and which.isdecimal() else which
    if sys.platform == "darwin":
        return "avfoundation", which
    if sys.platform == "win32":
        return "dshow", f"video={which}"
    raise ReadError(f"webcams cannot be read on {sys.platform}")
