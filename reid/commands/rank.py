"""`relaytrack reid rank`."""

from __future__ import annotations

import argparse
from pathlib import Path

from relaytrack.reid.paths import file_path

HELP = "draw the best matches of one or more query images in a folder"
EPILOG = """example:
  relaytrack reid rank my_people/query my_people/gallery --top 10 --out out/rank.png

Where both file names begin with an identity (id_camera_*.jpg, or Market-1501's), a match has a green frame if it is the
same person and a red one if not, and images of the query's person from the query's own camera are left out. Other
matches have a grey frame."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """QUERY, FOLDER, --out, --top and the weights."""
    from relaytrack.reid.commands.common import add_weights

    parser.add_argument("query", type=file_path, metavar="QUERY", help="an image, or a folder of them")
    parser.add_argument(
        "folder", type=file_path, metavar="FOLDER", help="folder of images to rank; sub-folders count too"
    )
    parser.add_argument("--out", type=file_path, default=Path("out/rank.png"), help="picture (default: %(default)s)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="matches to show (default: 10)")
    parser.add_argument(
        "--queries", type=int, default=8, help="rows at most, spread over the query folder (default: 8)"
    )
    add_weights(parser)


def run(args: argparse.Namespace) -> int:
    """Rank and draw."""
    import cv2
    import numpy as np

    from relaytrack.reid.commands.common import embedder_of
    from relaytrack.reid.datasets.base import images_below
    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.evaluation.picture import rank_picture
    from relaytrack.reid.file_embeddings import embed_paths
    from relaytrack.reid.outputs import check_target, write_whole

    if args.top < 1 or args.queries < 1:
        raise ReidError("--top and --queries must be at least 1")
    if not cv2.haveImageWriter(f"x{args.out.suffix}"):
        raise ReidError(f"--out {args.out}: the name must end like a picture's, in .png or .jpg")
    check_target(args.out, inputs=(args.query, args.folder))
    queries = images_below(args.query) if args.query.is_dir() else [args.query]
    chosen = np.unique(np.linspace(0, len(queries) - 1, min(args.queries, len(queries))).round().astype(int))
    queries = [queries[index] for index in chosen]
    gallery = images_below(args.folder)
    embedder = embedder_of(args)
    picture = rank_picture(
        queries, embed_paths(embedder, queries), gallery, embed_paths(embedder, gallery), top=args.top
    )
    _, encoded = cv2.imencode(args.out.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_whole(args.out, encoded.tobytes())
    print(f"{args.out}: {len(queries)} queries among {len(gallery)} images")
    return 0
