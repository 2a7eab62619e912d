"""`relaytrack cache`: run the detector and the embedder over a video once and keep what they found."""

from __future__ import annotations

import argparse
import sys

from relaytrack.reid.paths import file_path

HELP = "write the detections and embeddings of a video to a cache (.npz) for `track` and `bench tracker`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack cache`."""
    from relaytrack.pipeline.cli.track import add_input_arguments

    add_input_arguments(parser, caches=False)
    parser.add_argument(
        "--detector", metavar="BACKEND", help="nanodet, onnx, torchvision, ultralytics or file (detector.backend)"
    )
    parser.add_argument("--detector-weights", metavar="FILE", help="the detector's weights (detector.weights)")
    parser.add_argument("--embedder-weights", metavar="FILE", help="the embedder's weights (embedder.weights)")
    parser.add_argument(
        "--boxes", type=file_path, metavar="NPZ", help="embed the detections of this cache anew instead of detecting"
    )
    parser.add_argument("--no-embeddings", action="store_true", help="write detections only")
    parser.add_argument("--out", type=file_path, required=True, metavar="NPZ", help="the cache")


def run(args: argparse.Namespace) -> int:
    """Detect, embed and write; says on stderr what was done."""
    from relaytrack.pipeline.cli.track import counted, load_single
    from relaytrack.pipeline.errors import InputError
    from relaytrack.pipeline.replay.detection_cache import collect, read_cache, write_cache
    from relaytrack.pipeline.replay.observe import Observer
    from relaytrack.pipeline.results.inputs import inputs_of
    from relaytrack.pipeline.results.single_file import check_single_file

    if args.fps is not None and not args.fps > 0:
        raise InputError(f"--fps must be above 0, not {args.fps:g}")
    named = {
        "detector.backend": args.detector,
        "detector.weights": args.detector_weights,
        "embedder.weights": args.embedder_weights,
    }
    if args.boxes and args.no_embeddings:
        raise InputError("--boxes with --no-embeddings would copy a file: leave one of them out")
    config = load_single(args, {key: value for key, value in named.items() if value})
    check_single_file(args.out, inputs_of(config, args.config, args.boxes))
    boxes = read_cache(args.boxes) if args.boxes else None
    with Observer(config, embed=not args.no_embeddings, boxes=boxes) as observer:
        cache = collect(counted(observer.frames()), observer.network)
    write_cache(args.out, cache)
    dim = 0 if cache.embeddings is None else cache.embeddings.shape[1]
    print(
        f"relaytrack: {args.out}: {len(cache)} detections in {cache.length} frames, embeddings of length {dim}",
        file=sys.stderr,
    )
    return 0
