"""Embeddings of image files by an `Embedder`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaytrack.reid.datasets.images import read_image
from relaytrack.reid.embedder import Embedder


def embed_paths(embedder: Embedder, paths: tuple[Path, ...] | list[Path]) -> NDArray[np.float32]:
    """Embed image files, reading the next ones meanwhile.

    Raises:
        DatasetError: a file cannot be decoded; it is named.
    """
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
