"""`relaytrack bench identities`: Market-1501 as a stream, associated on line."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaytrack.pipeline.cli.bench_confusions import print_confusions
from relaytrack.pipeline.errors import InputError
from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from relaytrack.trackers.identities.benchmarks.market_stream import Stream, StreamScore

HELP = "associate Market-1501 as a stream of tracklets and score the identities made"
FOLDERS = {"test": ("bounding_box_test", "query"), "train": ("bounding_box_train",)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `relaytrack bench identities`."""
    parser.add_argument(
        "--root", type=file_path, metavar="DIR", help="the unpacked Market-1501, or the folder that holds it"
    )
    parser.add_argument("--split", choices=sorted(FOLDERS), default="test", help="which people (default: test)")
    parser.add_argument("--weights", type=file_path, metavar="FILE", help="re-id weights (default: the package's)")
    parser.add_argument(
        "--embeddings", type=file_path, metavar="NPZ", help="file to keep the embeddings in; read when it exists"
    )
    parser.add_argument("--images", type=int, metavar="N", help="only the first N images of the stream")
    parser.add_argument(
        "--baseline", type=float, action="append", metavar="COSINE", help="a threshold of the baseline; may repeat"
    )
    parser.add_argument("--no-baseline", action="store_true", help="leave out greedy appearance matching")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a field of the identities' settings"
    )
    parser.add_argument("--confused", type=int, default=0, metavar="N", help="list the N most confused people")
    parser.add_argument("--threads", type=int, default=None, metavar="N", help="CPU threads of the network")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--truth",
        nargs="+",
        default=[],
        metavar="CAMERA=FILE",
        help="instead: annotated ids (MOT text) of a run's cameras, to compare with --found",
    )
    parser.add_argument(
        "--found",
        nargs="+",
        default=[],
        metavar="CAMERA=FILE",
        help="a run's global/CAMERA.txt: who was confused with whom",
    )
    parser.add_argument(
        "--query-cost",
        action="store_true",
        help="only time a step with 100 new tracks, against the plain product of their embeddings",
    )
    parser.add_argument(
        "--known", type=int, action="append", metavar="N", help="people known for --query-cost (10,000 and 100,000)"
    )
    parser.add_argument("--open", type=int, default=500, metavar="N", help="tracks open to correction meanwhile (500)")


def run(args: argparse.Namespace) -> int:
    """Embed (or read), replay, score, print."""
    if args.query_cost:
        return _query_cost(args)
    if args.truth or args.found:
        return print_confusions(args)
    if args.root is None:
        raise InputError("--root: name the folder of Market-1501 (or --query-cost)")
    from relaytrack.trackers import IdentityAssociator
    from relaytrack.trackers.identities.benchmarks.market_stream import confusions, market_stream, replay, score

    names, embeddings, threshold = _embeddings(args)
    stream = market_stream(names)
    if args.images is not None:
        stream = stream.head(args.images)
    settings = _settings(args.set)
    settings.setdefault("threshold", threshold)
    rows: dict[str, StreamScore] = {}
    show = _progress if sys.stderr.isatty() else None
    for value in [] if args.no_baseline else args.baseline or _steps(threshold):
        greedy = IdentityAssociator(method="appearance", threshold=value)
        final, _, took = replay(stream, embeddings, greedy, show)
        rows[f"greedy at {value:.2f}"] = score(stream, final, took)
    final, shown, took = replay(stream, embeddings, IdentityAssociator(**settings), show)
    rows["joint"] = score(stream, final, took)
    rows["joint, at once"] = score(stream, shown, took)
    confused = confusions(stream, final, args.confused)
    _print(args, stream, rows, confused)
    return 0


def _query_cost(args: argparse.Namespace) -> int:
    """Print what a step with 100 new tracks costs."""
    from relaytrack.trackers.identities.benchmarks.query_cost import measure

    if any(known < 1 for known in args.known or ()):
        raise InputError("--known: must be at least 1")
    if args.open < 100:
        raise InputError("--open: must be at least 100")
    costs = [measure(known, open_tracks=args.open) for known in args.known or (10_000, 100_000)]
    if args.json:
        print(json.dumps([dataclasses.asdict(cost) | {"ratio": cost.ratio} for cost in costs], indent=1))
        return 0
    print(f"{costs[0].queries} new tracks, embeddings of {costs[0].size}, one step against the plain product")
    print(f"{'known':>8}{'open tracks':>13}{'product ms':>12}{'step ms':>9}{'ratio':>7}")
    for cost in costs:
        print(f"{cost.known:>8}{cost.open_tracks:>13}{cost.product:>12.1f}{cost.step:>9.1f}{cost.ratio:>7.2f}")
    return 0


def _steps(threshold: float | None) -> list[float]:
    """Thresholds for the baseline: the calibrated one and higher ones, because a gallery confuses more people."""
    least = 0.6 if threshold is None else threshold
    return [min(least + step, 0.95) for step in (0.0, 0.1, 0.2, 0.3)]


def _print(
    args: argparse.Namespace, stream: Stream, rows: dict[str, StreamScore], confused: list[dict[str, Any]]
) -> None:
    if args.json:
        out = {"split": args.split, "scores": {name: dataclasses.asdict(row) for name, row in rows.items()}}
        print(json.dumps({**out, "confused": confused}, indent=1))
        return
    some = next(iter(rows.values()))
    print(f"Market-1501 {args.split}: {some.images} images, {some.tracklets} tracklets, {some.people} people")
    print(f"{'method':<16}{'IDF1':>8}{'B-cubed':>9}{'prec.':>8}{'recall':>8}{'made':>7}{'ms/tracklet':>13}")
    for name, row in rows.items():
        print(
            f"{name:<16}{row.idf1:>8.3f}{row.bcubed:>9.3f}{row.precision:>8.3f}{row.recall:>8.3f}"
            f"{row.made:>7}{row.milliseconds:>13.2f}"
        )
    for entry in confused:
        print(
            f"identity {entry['identity']} holds people "
            + ", ".join(f"{person} ({images})" for person, images in entry["people"].items())
        )


def _embeddings(args: argparse.Namespace) -> tuple[list[str], NDArray[np.float32], float | None]:
    """Names, embeddings and the weights' calibrated threshold; from the file where there is one.

    Raises:
        InputError: no such folder, or a file that holds something else.
    """
    import numpy as np

    from relaytrack.pipeline.results.npz import read_arrays
    from relaytrack.pipeline.results.single_file import check_single_file, write_single_file
    from relaytrack.reid.datasets.market1501 import own_folder

    if args.embeddings is not None and args.embeddings.exists():
        try:
            kept = read_arrays(args.embeddings)
            threshold = float(kept["threshold"]) if "threshold" in kept else float("nan")
            names = [str(name) for name in kept["names"]]
            return names, np.asarray(kept["emb"], np.float32), None if np.isnan(threshold) else threshold
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{args.embeddings}: not a file of embeddings ({error})") from error
    root = own_folder(args.root, "market1501")
    files = _files(root, args.split)
    if args.embeddings is not None:
        check_single_file(args.embeddings)
    from relaytrack.reid import Embedder

    embedder = Embedder(args.weights, threads=args.threads)
    embeddings = _embed(embedder, files)
    names = [str(file.relative_to(root)) for file in files]
    if args.embeddings is not None:
        threshold = float("nan") if embedder.threshold is None else embedder.threshold
        data = io.BytesIO()
        np.savez(data, names=np.array(names), emb=embeddings, threshold=threshold)
        write_single_file(args.embeddings, data.getvalue())
    return names, embeddings, embedder.threshold


def _files(root: Path, split: str) -> list[Path]:
    files: list[Path] = []
    for folder in FOLDERS[split]:
        found = sorted((root / folder).glob("*.jpg"))
        if not found:
            raise InputError(f"{root / folder}: no images (expected Market-1501's folder {folder})")
        files += [file for file in found if not file.name.startswith(("-1", "0000"))]
    return files


def _embed(embedder: Any, files: list[Path]) -> NDArray[np.float32]:
    import numpy as np

    from relaytrack.reid.datasets.images import read_image

    parts = []
    for begin in range(0, len(files), 64):
        parts.append(embedder([read_image(file) for file in files[begin : begin + 64]]))
        if sys.stderr.isatty():
            _progress(begin, len(files))
    return np.concatenate(parts)


def _progress(done: int, of: int) -> None:
    print(f"\r{done}/{of} images", end="" if done < of else "\n", file=sys.stderr, flush=True)


def _settings(words: list[str]) -> dict[str, Any]:
    """KEY=VALUE of `IdentityParams`, values as YAML.

    Raises:
        InputError: no such setting.
    """
    from relaytrack.reid.yamlvalues import parse_value
    from relaytrack.trackers import IdentityParams

    known = {field.name for field in dataclasses.fields(IdentityParams)}
    out: dict[str, Any] = {}
    for word in words:
        key, sep, value = word.partition("=")
        if not sep or key not in known:
            raise InputError(f"--set {word}: expected one of {', '.join(sorted(known))} and a value")
        out[key] = parse_value(value)
    return out
