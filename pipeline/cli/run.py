"""`relaytrack run`: follow people from a configuration or from a few sources."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType
from typing import Any

from relaytrack.reid.arguments import harmless

HELP = "follow people across cameras: annotated videos, tracks and identities"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack run`."""
    parser.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="configuration; see configs/default.yaml")
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="[NAME=]URL",
        help="a camera: video file, rtsp://..., webcam:0 or folder of images (each video in a folder is a camera); may "
        "repeat",
    )
    parser.add_argument(
        "--cluster",
        metavar="auto|HOST:PORT",
        help="follow the cameras on the machines of a Ray cluster (docs/cluster.md)",
    )
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that `run` and `demo` share."""
    parser.add_argument("--out", metavar="DIR", help="folder for the results (output.dir)")
    parser.add_argument("--overwrite", action="store_true", help="replace the results that DIR holds")
    parser.add_argument("--resume", action="store_true", help="a live run goes on in DIR where an earlier start ended")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override any key")
    parser.add_argument("--device", metavar="auto|cpu|cuda[:i]", help="where the networks run (run.device)")
    parser.add_argument("--max-seconds", type=float, metavar="S", help="end after S seconds of the run's clock")
    parser.add_argument("--fps", type=float, metavar="N", help="take at most N frames per second of each camera")
    parser.add_argument("--no-video", action="store_true", help="write no videos")
    parser.add_argument(
        "--anonymise",
        "--blur",
        choices=("heads", "persons"),
        help="hide people in all pictures (output.anonymise)",
    )
    parser.add_argument(
        "--live",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="treat all sources as live (drop what comes too fast), or none; default: RTSP and webcams are",
    )
    parser.add_argument(
        "--refine", action="store_true", help="files: keep every identity open to correction to the end"
    )
    parser.add_argument(
        "--allow-download", action="store_true", help="let torchvision or ultralytics fetch a published model"
    )


def overrides_from(args: argparse.Namespace) -> dict[str, Any]:
    """Return the configuration keys that the command line sets."""
    from relaytrack.pipeline.config.loading import parse_assignment

    found: dict[str, Any] = dict(parse_assignment(text) for text in args.set)
    options = {
        "output.dir": args.out,
        "output.overwrite": args.overwrite or None,
        "output.resume": args.resume or None,
        "output.video": False if args.no_video else None,
        "output.anonymise": args.anonymise,
        "run.device": args.device,
        "run.max_seconds": args.max_seconds,
        "run.fps": args.fps,
        "run.live": args.live,
        "identities.refine": args.refine or None,
        "detector.allow_download": args.allow_download or None,
    }
    found.update({key: value for key, value in options.items() if value is not None})
    return found


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from relaytrack.pipeline.cli.given_sources import cameras_of
    from relaytrack.pipeline.config.loading import load_config
    from relaytrack.pipeline.errors import ConfigError

    if args.config and args.source:
        told = f"{harmless(args.config)!r} was read as one; give --source once for each camera"
        raise ConfigError(f"give a configuration or --source, not both ({told})")
    if not args.config and not args.source:
        raise ConfigError("no cameras: give a configuration file or --source")
    if args.config:
        config = load_config(args.config, overrides=overrides_from(args))
    else:
        data = {"cameras": [camera for source in args.source for camera in cameras_of(source)]}
        config = load_config(data=data, overrides=overrides_from(args))
    return run_pipeline(config, cluster=args.cluster)


def run_pipeline(config: Any, *, cluster: str | None = None) -> int:
    """Run a checked configuration with progress and summary; SIGINT, SIGTERM and SIGHUP end it cleanly.

    Args:
        config: the checked configuration.
        cluster: the address of the Ray cluster whose machines follow the cameras; None: this process does.
    """
    from relaytrack.pipeline.preflight import preflight

    if cluster is not None:
        from relaytrack.pipeline.cluster.ray_start import check_address

        check_address(cluster)
    # before the seconds that the networks' libraries take; a cluster's files may lie on its machines only
    preflight(config, cameras=None if cluster is None else ())
    if cluster is not None:
        from relaytrack.pipeline.cluster.ray_start import import_ray

        import_ray()
    from relaytrack.pipeline.cli.log_lines import log_lines
    from relaytrack.pipeline.cli.progress import console_progress, print_summary, print_weights_licence
    from relaytrack.pipeline.engine import Pipeline
    from relaytrack.pipeline.sources import is_live

    print_weights_licence(config)
    live = any(is_live(camera, config.run) for camera in config.cameras)
    pipeline: Any
    if cluster is None:
        pipeline = Pipeline(config, progress=console_progress(sys.stderr, live=live))
    else:
        from relaytrack.pipeline.cluster.cluster_run import ClusterRun

        pipeline = ClusterRun(config, cluster)
    received: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
        pipeline.stop()

    before = {number: signal.signal(number, end) for number in _ending()}
    try:
        with log_lines(dated=live):
            summary = pipeline.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print_summary(summary, config)
    if not summary.frames and not received:
        from relaytrack.pipeline.errors import SourceError

        reasons = [camera.error for camera in summary.cameras.values() if camera.error]
        raise SourceError("; ".join(reasons) or "no camera gave a picture in the time of the run")
    return 128 + received[0] if received and not live else 0


def _ending() -> list[signal.Signals]:
    """The signals that end a run cleanly; SIGHUP of a closed terminal is one of them unless `nohup` ignores it."""
    hangup = getattr(signal, "SIGHUP", None)
    ignored = hangup is None or signal.getsignal(hangup) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM] + ([] if hangup is None or ignored else [hangup])
