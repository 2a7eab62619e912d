"""Arguments that several sub-commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from relaytrack.reid.embedder import Embedder


def add_weights(parser: argparse.ArgumentParser) -> None:
    """--weights, --device, --batch, --flip."""
    parser.add_argument(
        "--weights",
        type=file_path,
        metavar="FILE",
        help="weights, ONNX file or a name of `relaytrack reid weights` (default: the default weights)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="crops per run of the network (default: 32)")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored crop's embedding")


def add_description(parser: argparse.ArgumentParser) -> None:
    """--name, --licence, --notice: what is stored with the weights."""
    parser.add_argument("--name", default="", metavar="TEXT", help="what the weights are called")
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the weights, stored in them")
    parser.add_argument("--notice", default="", metavar="TEXT", help="a line that every run with these weights prints")


def embedder_of(args: argparse.Namespace) -> Embedder:
    """The embedder that the arguments name; says the weights' licence in one line."""
    from relaytrack.reid.embedder import Embedder

    made = Embedder(args.weights, args.device, args.batch, args.flip)
    if made.info.notice:
        print(f"relaytrack: {made.info.notice}", file=sys.stderr)
    return made


def embed_paths(embedder: Embedder, paths: tuple[Path, ...] | list[Path]) -> NDArray[np.float32]:
    """Embed image files, reading the next ones meanwhile.

    Raises:
        DatasetError: a file cannot be decoded; it is named.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from relaytrack.reid.datasets.images import read_image

    if not paths:
        return np.empty((0, embedder.dim), np.float32)
    step = 4 * embedder.batch_size
    chunks = [paths[start : start + step] for start in range(0, len(paths), step)]
    parts = []
    with ThreadPoolExecutor(1) as pool, ProgressBar(len(paths)) as advance:
        waiting = pool.submit(lambda chunk: [read_image(path) for path in chunk], chunks[0])
        for following in [*chunks[1:], None]:
            images = waiting.result()
            if following is not None:
                waiting = pool.submit(lambda chunk: [read_image(path) for path in chunk], following)
            parts.append(embedder(images))
            advance(len(images))
    return np.concatenate(parts)


class ProgressBar:
    """A bar on the terminal while images are embedded; nothing where stderr is a file."""

    def __init__(self, total: int) -> None:
        self.total = total

    def __enter__(self) -> ProgressBar:
        self._bar = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("embedding", total=self.total)
            self._bar.start()
        return self

    def __call__(self, count: int) -> None:
        """Count images as done."""
        if self._bar is not None:
            self._bar.advance(self._task, count)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
