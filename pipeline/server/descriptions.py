"""What the API says about cameras and people: plain data, without any password."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from relaytrack.pipeline.config.schema import CameraConfig
from relaytrack.pipeline.config.urls import redact_url, shown_address
from relaytrack.pipeline.palette import IdentityColors
from relaytrack.pipeline.records import FrameTracks
from relaytrack.pipeline.runtime.snapshot import CameraStatus, Snapshot
from relaytrack.pipeline.server.people_records import Person

_KEY = secrets.token_bytes(32)  # of this process: nobody can try passwords against a revision


def revision_of(camera: CameraConfig) -> str:
    """A short text that changes with every setting of a camera but pausing; it tells nothing about them."""
    return revision(camera.model_dump(mode="json", exclude={"paused"}))


def revision(content: Any) -> str:
    """A short text that changes with some content (plain data), and tells nothing about it."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), key=_KEY, digest_size=9).hexdigest()


def public_address(url: str) -> str:
    """A camera's address without credentials; of a file only its name, so that folders stay private."""
    shown = shown_address(url)
    remote = "://" in shown and not shown.startswith("file://")
    return shown if remote or shown.startswith(("webcam:", "own:")) else PurePath(shown).name


def failure_of(camera: str, error: str | None) -> str | None:
    """A camera's failure as it is told beside the camera's name: without it, and without passwords."""
    return None if error is None else redact_url(error).removeprefix(f"camera {camera!r}: ")


def titles_of(cameras: Iterable[CameraConfig]) -> dict[str, str]:
    """What the page calls each camera, by its name."""
    return {camera.name: camera.title or camera.name for camera in cameras}


def describe_camera(
    camera: CameraConfig, status: CameraStatus | None, snapshot: Snapshot, viewers: int
) -> dict[str, Any]:
    """One camera: settings, state and figures."""
    settings = camera.model_dump(mode="json", exclude={"detections"})
    settings["url"] = public_address(camera.url)
    settings["ground"] = camera.ground is not None
    settings["ground_points"] = camera.ground.get("points") if isinstance(camera.ground, dict) else None
    settings["title"] = camera.title or camera.name
    content: dict[str, Any] = {**settings, "revision": revision_of(camera), "viewers": viewers}
    if status is None:
        return {**content, "state": "opening"}
    tracks = status.tracks
    content |= {
        "state": status.state,
        "node": status.node,
        "is_live": status.live,
        "size": status.size,
        "frames": status.frames,
        "rate": round(status.rate, 2),
        "age_ms": _ms(status.age),
        "age_p50_ms": _ms(status.age_p50),
        "age_p95_ms": _ms(status.age_p95),
        "waiting": status.waiting,
        "dropped": status.dropped,
        "broken": status.broken,
        "reconnects": status.reconnects,
        "error": failure_of(camera.name, status.error),
        "warning": None if status.warning is None else redact_url(status.warning),
        "people": 0 if tracks is None or status.state != "running" else len(tracks),
        "last": None if tracks is None else tracks.frame.epoch,
        "counts": dict(snapshot.zones.get(camera.name, {})),
    }
    return content


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)


def describe_tracks(tracks: FrameTracks) -> dict[str, Any]:
    """A camera's last frame: boxes in pixels of the full picture."""
    frame = tracks.frame
    x, y = frame.roi_origin
    people = [
        {
            "track": track,
            "identity": identity,
            "box": [round(box[0] + x, 1), round(box[1] + y, 1), round(box[2] + x, 1), round(box[3] + y, 1)],
            "score": round(score, 3),
        }
        for track, identity, box, score in zip(
            tracks.ids.tolist(), tracks.global_ids.tolist(), tracks.xyxy.tolist(), tracks.scores.tolist(), strict=True
        )
    ]
    return {"camera": frame.camera, "time": frame.epoch, "size": frame.size, "people": people}


def describe_person(person: Person, here: tuple[str, ...], colors: IdentityColors) -> dict[str, Any]:
    """One person."""
    return {
        **asdict(person),
        "here": here,
        "color": color_of(person.identity, colors),
        "revision": revision([person.identity, person.name, person.watched]),
    }


def ink_of(color: str) -> str:
    """Whether dark or light letters can be read on a colour (#rrggbb)."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "dark" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "light"


def color_of(identity: int, colors: IdentityColors) -> str:
    """A person's colour in all pictures, as #rrggbb."""
    red, green, blue = colors.of(identity)
    return f"#{red:02x}{green:02x}{blue:02x}"
