"""`relaytrack reid embed`."""

from __future__ import annotations

import argparse
import importlib
import io
from pathlib import Path
from typing import Any

from relaytrack.reid.paths import file_path

HELP = "write the embeddings of a folder of crops (.npz, or .parquet with pyarrow)"
EPILOG = """example:
  relaytrack reid embed my_people --out out/my_people.npz

The .npz holds "paths" (N,), relative to the folder, and "embeddings" (N, D) float32 unit vectors."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FOLDER, --out and the weights."""
    from relaytrack.reid.commands.common import add_weights

    parser.add_argument("folder", type=file_path, metavar="FOLDER", help="folder of images; sub-folders count too")
    parser.add_argument(
        "--out",
        type=file_path,
        default=Path("out/embeddings.npz"),
        metavar="FILE",
        help="file to write (default: %(default)s)",
    )
    add_weights(parser)


def run(args: argparse.Namespace) -> int:
    """Embed and write."""
    import numpy as np

    from relaytrack.reid.commands.common import embedder_of
    from relaytrack.reid.datasets.base import images_below
    from relaytrack.reid.errors import ReidError
    from relaytrack.reid.file_embeddings import embed_paths
    from relaytrack.reid.outputs import check_target, write_whole

    if args.out.suffix not in (".npz", ".parquet"):
        raise ReidError(f"--out {args.out}: .npz or .parquet is needed")
    pyarrow: Any = None
    if args.out.suffix == ".parquet":
        try:
            pyarrow, parquet = (importlib.import_module(name) for name in ("pyarrow", "pyarrow.parquet"))
        except ImportError as error:
            raise ReidError("writing .parquet needs the package pyarrow: pip install pyarrow") from error
    check_target(args.out, inputs=(args.weights,))
    paths = images_below(args.folder)
    embeddings = embed_paths(embedder_of(args), paths)
    names = [path.relative_to(args.folder).as_posix() for path in paths]
    buffer = io.BytesIO()
    if pyarrow is None:
        np.savez(buffer, paths=np.array(names), embeddings=embeddings)
    else:
        values = pyarrow.FixedSizeListArray.from_arrays(embeddings.ravel(), embeddings.shape[1])
        parquet.write_table(pyarrow.table({"path": names, "embedding": values}), buffer)
    write_whole(args.out, buffer.getvalue())
    print(f"{args.out}: {len(names)} embeddings of length {embeddings.shape[1]}")
    return 0
