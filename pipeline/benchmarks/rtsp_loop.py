"""An RTSP server that plays clips for ever, one mount each; run by a Python that has GStreamer's bindings.

    /usr/bin/python3 rtsp_loop.py PORT CLIP.json ...

A clip is an H.264 file in Annex B form without B frames, beginning with a key frame; the JSON beside it tells `rate`
(frames per second) and `sizes` (bytes of each frame). The mounts are /0, /1 and so on. It prints `ready PORT` when it
listens; PORT 0 takes any free one. Only the standard library and GStreamer are imported here.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

_SECOND = 1_000_000_000  # GStreamer counts nanoseconds
_LAUNCH = (
    "( appsrc name=clip is-live=true format=time block=true max-buffers=2 "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au "
    "! h264parse config-interval=1 ! rtph264pay name=pay0 pt=96 )"
)


def frames_of(clip: Path) -> tuple[float, list[bytes]]:
    """The rate of a clip and its frames."""
    told = json.loads(clip.read_text())
    data = clip.with_suffix(".h264").read_bytes()
    cuts = [0, *itertools.accumulate(told["sizes"])]
    return float(told["rate"]), [data[begin:end] for begin, end in zip(cuts, cuts[1:])]  # noqa: B905, RUF007


def serve(port: str, clips: list[Path]) -> None:
    """Serve until killed."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)

    def configure(_: Any, media: Any, rate: float, frames: list[bytes]) -> None:
        source = media.get_element().get_by_name_recurse_up("clip")
        numbers = itertools.count()

        def push(element: Any, _: int) -> None:
            number = next(numbers)
            buffer = Gst.Buffer.new_wrapped(frames[number % len(frames)])
            buffer.pts = buffer.dts = int(number * _SECOND / rate)
            buffer.duration = int(_SECOND / rate)
            element.emit("push-buffer", buffer)

        source.connect("need-data", push)

    for number, clip in enumerate(clips):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(_LAUNCH)
        factory.set_shared(False)
        factory.connect("media-configure", configure, *frames_of(clip))
        server.get_mount_points().add_factory(f"/{number}", factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(sys.argv[1], [Path(word) for word in sys.argv[2:]])
