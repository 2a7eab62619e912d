"""A real RTSP server for the tests, run by the system's Python: two mounts of one plain colour each.

    /usr/bin/python3 rtsp_server.py PORT [USER PASSWORD [basic|digest]]

`/red` has 160 x 120 pixels at 10 frames per second, `/blue` 192 x 144 at 15. It prints `ready PORT` when it
listens; PORT 0 takes any free one. The variable RED_CAMERA, "h264 160 120", is what the red camera is set to (h264,
h265 or jpeg).
"""

import os
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

RED_CODEC, RED_WIDTH, RED_HEIGHT = os.environ.get("RED_CAMERA", "h264 160 120").split()
MOUNTS = {
    "/red": ("0xffff0000", int(RED_WIDTH), int(RED_HEIGHT), 10, RED_CODEC),
    "/blue": ("0xff0000ff", 192, 144, 15, "h264"),
}


def launch_line(colour: str, width: int, height: int, rate: int, codec: str) -> str:
    """The GStreamer pipeline of one mount."""
    pay = f"{codec}parse config-interval=1 ! rtp{codec}pay name=pay0 pt=96"
    if codec == "jpeg":
        encoder, pay = "jpegenc", "rtpjpegpay name=pay0 pt=26"
    elif codec == "h265":
        encoder = f"x265enc tune=zerolatency speed-preset=ultrafast bitrate=200 key-int-max={rate}"
    elif Gst.ElementFactory.find("x264enc"):
        encoder = f"x264enc tune=zerolatency speed-preset=ultrafast bitrate=200 threads=1 key-int-max={rate}"
    else:
        encoder = f"openh264enc gop-size={rate}"
    return (
        f"( videotestsrc is-live=true pattern=solid-color foreground-color={int(colour, 16)} "
        f"! video/x-raw,format=I420,width={width},height={height},framerate={rate}/1 "
        f"! {encoder} ! {pay} )"
    )


def main(port: str, user: str = "", password: str = "", method: str = "basic") -> None:
    """Serve until killed."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    token = None
    if user:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if method == "digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
    for path, settings in MOUNTS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch_line(*settings))
        factory.set_shared(False)  # one that is shared can fail an assertion of the library when two join at once
        if user:
            factory.add_role_from_structure(
                Gst.Structure.new_from_string(
                    "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
                )
            )
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
