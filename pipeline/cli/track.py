"""`relaytrack track`: run the tracker of one camera and write a MOT result file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.reid.paths import file_path, plain_path

if TYPE_CHECKING:
    from relaytrack.pipeline.config.schema import Config
    from relaytrack.pipeline.perception.detectors.base import Detector
    from relaytrack.pipeline.replay.detection_cache import DetectionCache, SeenFrame
    from relaytrack.pipeline.tracking.tracker import Tracker

HELP = "track one camera's video, images or cached detections into a MOT result file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack track`."""
    add_input_arguments(parser, caches=True)
    parser.add_argument("--out", type=file_path, required=True, metavar="RES.txt", help="the result file")
    parser.add_argument("--motion-only", action="store_true", help="use no embeddings, and compute none")
    parser.add_argument("--classic", action="store_true", help="the DeepSORT of 2017 instead of the defaults")
    parser.add_argument(
        "--coasting", action="store_true", help="also write the predicted boxes of tracks that are out of sight"
    )
    parser.add_argument(
        "--camera-motion",
        action="store_true",
        help="the camera moves: estimate its motion from the background and compensate for it",
    )
    parser.add_argument(
        "--backfill",
        action="store_true",
        help="off-line: also write a track's boxes from before it was confirmed, as a finished run does",
    )
    parser.add_argument(
        "--refine",
        action="store_true",
        help="off-line: --backfill, and gaps of up to 2 seconds within a track are filled by straight lines",
    )


def add_input_arguments(parser: argparse.ArgumentParser, *, caches: bool) -> None:
    """Declare what `track` and `cache` share: the source and the networks."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--video", type=plain_path, metavar="V", help="a video file")
    source.add_argument(
        "--frames", type=plain_path, metavar="DIR", help="a folder of images (MOT layout: DIR/img1/000001.jpg)"
    )
    if caches:
        source.add_argument("--cache", type=file_path, metavar="NPZ", help="detections and embeddings in a cache")
    parser.add_argument("--fps", type=float, help="frames per second, for images and for caches without a clock")
    parser.add_argument(
        "--config", type=plain_path, metavar="YAML", help="take the settings of the networks and the tracker from here"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override any key, e.g. tracker.max_age=2"
    )
    parser.add_argument("--device", metavar="auto|cpu|cuda[:i]", help="where the networks run (run.device)")
    parser.add_argument("--detections", type=plain_path, metavar="DET.txt", help="use the detections of this MOT file")


def run(args: argparse.Namespace) -> int:
    """Track and write; says on stderr what was done."""
    import numpy as np

    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.replay.track import track
    from relaytrack.pipeline.results.inputs import inputs_of
    from relaytrack.pipeline.results.single_file import check_single_file
    from relaytrack.trackers.evaluation import write_mot
    from relaytrack.trackers.refine import fill_gaps

    if args.fps is not None and not args.fps > 0:
        raise InputError(f"--fps must be above 0, not {args.fps:g}")
    if args.camera_motion and args.cache is not None:
        raise InputError("--camera-motion needs the pictures: give --video or --frames, with --detections if need be")
    config = load_single(args)
    check_tracker(config, classic=args.classic, coasting=args.coasting)
    check_single_file(args.out, inputs_of(config, args.config, args.cache))
    early = args.backfill or args.refine
    if args.cache is None:
        from relaytrack.pipeline.build import score_scale
        from relaytrack.pipeline.replay.observe import Observer

        with Observer(config, embed=not args.motion_only) as observer:
            tracker = create_tracker(config, observer.detector, classic=args.classic, coasting=args.coasting)
            scale = score_scale(config, observer.detector) or 1.0 if config.tracker.is_ours else 1.0
            moves = args.camera_motion or config.cameras[0].moving
            frames = counted(observer.frames(camera_moves=moves))
            sequence = track(frames, tracker, score_scale=scale, backfill=early, mend=early)
    else:
        tracker = create_tracker(config, None, classic=args.classic, coasting=args.coasting)
        frames = _cache_with_clock(args.cache, args.fps).seen(args.fps, embeddings=not args.motion_only)
        sequence = track(frames, tracker, backfill=early, mend=early)
    rows = fill_gaps(sequence.rows, sequence.clock)[0] if args.refine else sequence.rows
    write_mot(args.out, rows)
    spent = 1000 * float(np.median(sequence.seconds)) if len(sequence.seconds) else 0.0
    print(
        f"relaytrack: {args.out}: {len(np.unique(rows.ids))} tracks, {len(rows)} boxes in "
        f"{len(sequence.seconds)} frames ({sequence.detections} detections, {sequence.rejected} of them degenerate; "
        f"tracker {spent:.2f} ms a frame)",
        file=sys.stderr,
    )
    return 0


def counted(frames: Iterable[SeenFrame], every: float = 10.0) -> Iterator[SeenFrame]:
    """Pass frames on and say on stderr how many there were, every few seconds."""
    said = float("inf")
    for number, frame in enumerate(frames, 1):
        yield frame
        now = time.monotonic()
        said = min(said, now)  # the networks load before the first frame comes
        if now - said > every:
            said = now
            print(f"relaytrack: {number} frames", file=sys.stderr, flush=True)


def load_single(args: argparse.Namespace, named: Mapping[str, Any] | None = None) -> Config:
    """The configuration of a run with one camera (or none, when a cache is read).

    Args:
        args: the options that `add_input_arguments` declares.
        named: keys that further options set.

    Raises:
        ConfigError: an unknown key or a wrong value.
    """
    from relaytrack.pipeline.config.loading import load_config, parse_assignment
    from relaytrack.pipeline.errors import ConfigError

    overrides: dict[str, Any] = {}
    if args.video and args.fps is not None:
        raise ConfigError("--fps is for --frames and caches: a video has its own clock")
    url = args.video or args.frames
    if url:
        if args.video and Path(args.video).is_dir():
            raise ConfigError(f"--video {args.video}: is a folder; --frames takes a folder of images")
        if args.frames and not Path(args.frames).is_dir():
            raise ConfigError(f"--frames {args.frames}: no such folder")
        camera = {"url": url, "fps": args.fps if args.frames else None, "detections": args.detections}
        overrides["cameras"] = [{key: value for key, value in camera.items() if value is not None}]
    if args.detections:
        overrides["detector.backend"] = "file"
    overrides |= dict(parse_assignment(text) for text in args.set)  # after the camera, which `cameras.0.roi` belongs to
    overrides |= named or {}
    if args.device:
        overrides["run.device"] = args.device
    if args.config:
        return load_config(args.config, overrides=overrides)
    return load_config(data={}, overrides=overrides)


def check_tracker(config: Config, *, classic: bool, coasting: bool) -> None:
    """Refuse what another package's tracker cannot do, before the networks are loaded.

    Raises:
        ConfigError: an option that only `DeepSort` has, or wrong options of the tracker.
    """
    from relaytrack.pipeline import plugins
    from relaytrack.pipeline.errors import ConfigError

    if config.tracker.is_ours:
        return
    for option, given in (("--classic", classic), ("--coasting", coasting)):
        if given:
            raise ConfigError(f"{option} works with DeepSort only, and tracker.name is {config.tracker.name!r}")
    plugins.check("trackers", "tracker", config.tracker.name, config.tracker.options)


def create_tracker(config: Config, detector: Detector | None, *, classic: bool, coasting: bool) -> Tracker:
    """The configured tracker, or the one of the paper."""
    from relaytrack.pipeline import build, plugins
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.config.schema import CameraConfig

    if not config.tracker.is_ours:
        camera = config.cameras[0] if config.cameras else CameraConfig(url="cache", name="cache")
        return plugins.create_tracker(config.tracker.name, config.tracker.options, camera=camera)
    if classic:
        config = config.model_copy(update={"tracker": load_config(data={"tracker": {"name": "classic"}}).tracker})
    return build.create_tracker(config, detector, report_coasting=coasting)


def _cache_with_clock(path: Path, fps: float | None) -> DetectionCache:
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.replay.detection_cache import read_cache

    cache = read_cache(path)
    if fps is None and cache.times is None:
        raise InputError(f"{path}: this cache has no clock: give --fps, the frames per second of its video")
    return cache
