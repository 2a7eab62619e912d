"""Detections and embeddings of one camera in one file, so that tracking can be run again without the networks.

The file is a plain `.npz`: `frame` (N,) 1-based, ascending; `xyxy` (N, 4) pixels; `conf` (N,); optionally `emb`
(N, D), float or int8 with `scale` (N,). Files made by `relaytrack cache` also hold `times` (F,), seconds of
every frame, `size`, (width, height) of the picture, and `network`, the mark of the network that made the embeddings
(`pipeline.identity.network_mark`), in bytes; others have no clock and need a frame rate.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.identity.network_mark import as_array, mark_in, same_network
from relaytrack.pipeline.records import Floats, Ints
from relaytrack.pipeline.results.npz import NotArraysError, read_arrays
from relaytrack.pipeline.results.single_file import write_single_file

_MAX_FRAMES = 10_000_000


@dataclass(frozen=True, slots=True)
class DetectionCache:
    """All detections of one camera.

    Attributes:
        frames: (N,) int64, 1-based frame of each detection, not decreasing.
        xyxy: (N, 4) float32 pixels; scores: (N,) float32.
        embeddings: (N, D) float32, L2-normalised, a row of NaN where there is none; None without embeddings.
        times: (F,) float64 seconds of each frame from frame 1 on; None where the file has no clock.
        size: (width, height) of the picture in pixels, None where unknown.
        network: the mark of the network that made the embeddings, None where unknown.
    """

    frames: Ints
    xyxy: Floats
    scores: Floats
    embeddings: Floats | None = None
    times: NDArray[np.float64] | None = None
    size: tuple[int, int] | None = None
    network: bytes | None = None

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.frames)

    @property
    def length(self) -> int:
        """Number of frames: of the clock where there is one, else up to the last with a detection."""
        if self.times is not None:
            return len(self.times)
        return int(self.frames[-1]) if len(self.frames) else 0

    def per_frame(self) -> list[slice]:
        """The rows of each frame, from frame 1 on; empty slices for frames without detections."""
        cuts = np.searchsorted(self.frames, np.arange(1, self.length + 2)).tolist()
        return [slice(begin, end) for begin, end in itertools.pairwise(cuts)]

    def clock(self, fps: float | None) -> NDArray[np.float64]:
        """The time of every frame, (F,) seconds: the file's own, or frames at `fps` per second.

        Raises:
            InputError: neither is known.
        """
        if fps is not None:
            return np.arange(self.length) / fps
        if self.times is None:
            raise InputError("this cache has no clock: give --fps, the frames per second of its video")
        return self.times

    def seen(self, fps: float | None = None, *, embeddings: bool = True) -> Iterator[SeenFrame]:
        """Go through the frames from 1 on; `fps` as in `clock`, `embeddings` False leaves them out."""
        vectors = self.embeddings if embeddings else None
        for index, (rows, stamp) in enumerate(zip(self.per_frame(), self.clock(fps).tolist(), strict=True), 1):
            here = None if vectors is None else vectors[rows]
            yield SeenFrame(index, stamp, self.xyxy[rows], self.scores[rows], here, self.size)


def need_one_network(caches: Sequence[tuple[str, DetectionCache]]) -> None:
    """Refuse caches, each with its name, whose embeddings are of different networks: they cannot be compared.

    Raises:
        InputError: two of them differ; names both.
    """
    known = [(name, cache.network) for name, cache in caches if cache.embeddings is not None]
    for name, mark in known[1:]:
        if not same_network(known[0][1], mark):
            raise InputError(f"{name}: its embeddings were made by other weights than those of {known[0][0]}")


def collect(frames: Iterable[SeenFrame], network: bytes | None = None) -> DetectionCache:
    """Join frames, given in order; one that is left out gets a time between its neighbours and no detection.

    `network`: the mark of the network that made the embeddings.
    """
    seen = list(frames)
    index = np.array([one.index for one in seen], np.int64)
    length = int(index[-1]) if len(index) else 0
    stamps = [one.time for one in seen]
    vectors = [one.embeddings for one in seen if one.embeddings is not None]
    return DetectionCache(
        frames=np.repeat(index, [len(one.scores) for one in seen]).astype(np.int64),
        xyxy=np.concatenate([np.zeros((0, 4), np.float32), *(one.xyxy for one in seen)]),
        scores=np.concatenate([np.zeros(0, np.float32), *(one.scores for one in seen)]),
        embeddings=np.concatenate(vectors) if vectors else None,
        times=np.interp(np.arange(1, length + 1), index, stamps) if length else np.zeros(0),
        size=seen[-1].size if seen else None,
        network=network if vectors else None,
    )


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame's detections.

    Attributes:
        index: 1-based number of the frame in its source; time: seconds.
        xyxy: (N, 4) float32 pixels; scores: (N,); embeddings: (N, D) or None.
        size: (width, height) of the picture, None where unknown.
        warp: (2, 3) affine map from the last frame's pixels to this one's, None where the camera stands.
        roi_origin: (x, y) of the picture's top left pixel in the source's full picture.
    """

    index: int
    time: float
    xyxy: Floats
    scores: Floats
    embeddings: Floats | None
    size: tuple[int, int] | None = None
    warp: NDArray[np.float64] | None = None
    roi_origin: tuple[int, int] = (0, 0)


def read_cache(path: str | Path) -> DetectionCache:
    """Read a cache.

    Raises:
        InputError: no such file, not an npz of the keys above, or arrays that do not fit together.
    """
    path = Path(path)
    try:
        data = read_arrays(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except NotArraysError as error:
        raise InputError(f"{path}: not a cache of detections (.npz): {error}") from None
    for key in ("frame", "xyxy", "conf"):
        if key not in data:
            raise InputError(f"{path}: no array {key!r}; a cache holds frame, xyxy, conf and may hold emb")
    try:
        frames = _column(data["frame"], np.int64)
        xyxy = np.asarray(data["xyxy"], np.float32)
        scores = _column(data["conf"], np.float32)
        embeddings = _embeddings(data)
        times = np.asarray(data["times"], np.float64) if "times" in data else None
        size = tuple(int(value) for value in data["size"]) if "size" in data else None
    except (TypeError, ValueError):
        raise InputError(f"{path}: an array is not made of numbers") from None
    if xyxy.shape != (len(frames), 4) or len(scores) != len(frames):
        raise InputError(f"{path}: frame {frames.shape}, xyxy {xyxy.shape} and conf {scores.shape} do not fit together")
    if embeddings is not None and (embeddings.ndim != 2 or len(embeddings) != len(frames)):
        raise InputError(f"{path}: emb has shape {embeddings.shape}, wanted ({len(frames)}, D)")
    if len(frames) and (frames.min() < 1 or frames.max() > _MAX_FRAMES):
        raise InputError(f"{path}: frame numbers run from {frames.min()} to {frames.max()}, wanted 1, 2, 3, ...")
    if times is not None and (times.ndim != 1 or (len(frames) and frames.max() > len(times))):
        raise InputError(f"{path}: times has shape {times.shape} but there are {frames.max()} frames")
    if times is not None and not (np.isfinite(times).all() and (np.diff(times) >= 0).all()):
        raise InputError(f"{path}: times must be finite and must not go backwards")
    if size is not None and len(size) != 2:
        raise InputError(f"{path}: size must be width and height")
    order = np.argsort(frames, kind="stable")
    if (order[1:] < order[:-1]).any():
        frames, xyxy, scores = frames[order], xyxy[order], scores[order]
        embeddings = None if embeddings is None else embeddings[order]
    return DetectionCache(frames, xyxy, scores, embeddings, times, size, mark_in(data.get("network")))


def write_cache(path: str | Path, cache: DetectionCache) -> None:
    """Write a cache; embeddings are kept as float16 (cosines change by less than 1e-3).

    Raises:
        OutputError: the file cannot be written; what was there before stays.
    """
    arrays: dict[str, Any] = {
        "frame": cache.frames.astype(np.int32),
        "xyxy": cache.xyxy.astype(np.float32),
        "conf": cache.scores.astype(np.float32),
    }
    if cache.embeddings is not None:
        arrays["emb"] = cache.embeddings.astype(np.float16)
    if cache.times is not None:
        arrays["times"] = cache.times.astype(np.float64)
    if cache.size is not None:
        arrays["size"] = np.array(cache.size, np.int32)
    if cache.network is not None:
        arrays["network"] = as_array(cache.network)
    data = io.BytesIO()
    np.savez(data, **arrays)
    write_single_file(Path(path), data.getvalue())


def _column(values: Any, kind: Any) -> Any:
    return np.asarray(np.ravel(values), kind)


def _embeddings(data: dict[str, Any]) -> Floats | None:
    """Unit vectors from whatever number type the file keeps them in; NaN rows stay NaN."""
    if "emb" not in data:
        return None
    vectors = np.asarray(data["emb"], np.float32)
    if "scale" in data and vectors.ndim == 2:
        vectors *= np.asarray(data["scale"], np.float32).reshape(-1, 1)
    if vectors.ndim == 2:
        norm = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = np.divide(vectors, norm, out=np.full_like(vectors, np.nan), where=norm > 0)
    return vectors
