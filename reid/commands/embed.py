"""`relaytrack reid embed`."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

HELP = "write the embeddings of a folder of crops (.npz, or .parquet with pyarrow)"
EPILOG = """example:
  relaytrack reid embed my_people --out out/my_people.npz

The .npz holds "paths" (N,), relative to the folder, and "embeddings" (N, D) float32 unit vectors."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FOLDER, --out and the weights."""
    from reid.commands.common import add_weights

    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of images; sub-folders count too")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/embeddings.npz"),
        metavar="FILE",
        help="file to write (default: %(default)s)",
    )
    add_weights(parser)


def run(args: argparse.Namespace) -> int:
    """Embed and write."""
    import numpy as np

    from reid.commands.common import embed_paths, embedder_of
    from reid.datasets.base import images_below
    from reid.errors import ReidError

    if args.out.suffix not in (".npz", ".parquet"):
        raise ReidError(f"--out {args.out}: .npz or .parquet is needed")
    paths = images_below(args.folder)
    embeddings = embed_paths(embedder_of(args), paths)
    names = [path.relative_to(args.folder).as_posix() for path in paths]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.out.suffix == ".npz":
        np.savez(args.out, paths=np.array(names), embeddings=embeddings)
    else:
        try:
            pyarrow, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.parquet"))
        except ImportError as error:
            raise ReidError("writing .parquet needs the package pyarrow: pip install pyarrow") from error
        values = pyarrow.FixedSizeListArray.from_arrays(embeddings.ravel(), embeddings.shape[1])
        parquet.write_table(pyarrow.table({"path": names, "embedding": values}), args.out)
    print(f"{args.out}: {len(names)} embeddings of length {embeddings.shape[1]}")
    return 0
