"""Market-1501 as a stream: what the file names tell, replayed into an associator, and its scores.

The names of Market-1501 (Zheng et al., "Scalable person re-identification: a benchmark", ICCV 2015) carry
person, camera, sequence and frame (`0001_c1s1_001051_00.jpg`). Images of one person, camera and sequence
with gaps of at most 100 frames make a tracklet; distractors (0000) and junk (-1) are left out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.associator import IdentityAssociator
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints

RATE = 25.0
"""Frames per second of the recordings."""
GAP = 100
"""Frames without the person after which a tracklet ends."""
PAUSE = 60.0
"""Seconds between one sequence and the next on the run's clock."""
_NAME = re.compile(r"(-?\d+)_c(\d)s(\d)_(\d+)_\d+")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """N images in the order in which they are fed.

    Attributes:
        name: index of the image in the names given.
        person, camera, sequence, frame, tracklet: (N,) int64.
        seconds: (N,) the run's clock.
    """

    name: Ints
    person: Ints
    camera: Ints
    sequence: Ints
    frame: Ints
    tracklet: Ints
    seconds: NDArray[np.float64]

    def head(self, images: int) -> Stream:
        """The first `images` of it."""
        return Stream(*(getattr(self, field.name)[:images] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class StreamScore:
    """How well a stream was associated, images counted.

    Attributes:
        idf1: identity F1 (Ristani et al., 2016); every image has one identity, so it is IDTP / images.
        bcubed: harmonic mean of B-cubed precision and recall.
        precision, recall: B-cubed.
        made: identities made; people: the truth.
        images, tracklets: fed.
        milliseconds: wall time per tracklet.
    """

    idf1: float
    bcubed: float
    precision: float
    recall: float
    made: int
    people: int
    images: int
    tracklets: int
    milliseconds: float


def market_stream(names: Sequence[str]) -> Stream:
    """Order images by sequence and time and group them to tracklets.

    Args:
        names: file names; distractors and junk are passed over.

    Raises:
        TrackerInputError: a name that is not of Market-1501, or no image at all.
    """
    rows = []
    for index, name in enumerate(names):
        match = _NAME.match(name.rsplit("/", 1)[-1])
        if match is None:
            raise TrackerInputError(f"{name}: not a file name of Market-1501")
        person, camera, sequence, frame = (int(part) for part in match.groups())
        if person > 0:
            rows.append((index, person, camera, sequence, frame))
    if not rows:
        raise TrackerInputError("no image of a known person in the stream")
    index, person, camera, sequence, frame = np.array(rows, np.int64).T
    order = np.lexsort((index, frame, camera, sequence, person))
    keys = np.stack([person, camera, sequence])[:, order]
    begins = np.ones(len(order), bool)
    begins[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0) | (np.diff(frame[order]) > GAP)
    tracklet = np.empty(len(order), np.int64)
    tracklet[order] = np.cumsum(begins)
    seconds, offset = np.empty(len(order)), 0.0
    for number in np.unique(sequence):
        rows_of = sequence == number
        seconds[rows_of] = offset + frame[rows_of] / RATE
        offset = float(seconds[rows_of].max()) + PAUSE
    fed = np.lexsort((index, camera, seconds))
    return Stream(index[fed], person[fed], camera[fed], sequence[fed], frame[fed], tracklet[fed], seconds[fed])


def replay(
    stream: Stream,
    embeddings: Floats,
    associator: IdentityAssociator,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Ints, Ints, float]:
    """Feed the stream, one step per moment.

    Args:
        stream: as of `market_stream`.
        embeddings: (M, D) of all names, L2-normalised.
        associator: fresh.
        progress: told the images fed so far and their number.

    Returns:
        the final identity and the one shown at once of each image, both (N,), and the wall time in seconds.
    """
    begins = np.flatnonzero(np.diff(stream.seconds, prepend=-1.0) != 0)
    ends = np.append(begins[1:], len(stream.seconds))
    shown = np.zeros(len(stream.name), np.int64)
    started = time.perf_counter()
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        views, parts = [], []
        for camera in np.unique(stream.camera[begin:end]).tolist():
            rows = begin + np.flatnonzero(stream.camera[begin:end] == camera)
            ids, first = np.unique(stream.tracklet[rows], return_index=True)
            keep = rows[first]
            views.append(
                CameraTracks(
                    camera=f"c{camera}",
                    time=float(stream.seconds[begin]),
                    ids=ids,
                    xyxy=np.full((len(keep), 4), np.nan, np.float32),
                    scores=np.ones(len(keep), np.float32),
                    embeddings=embeddings[stream.name[keep]],
                    quality=np.ones(len(keep), np.float32),
                )
            )
            parts.append((rows, np.searchsorted(ids, stream.tracklet[rows])))
        step = associator.update(views)
        for (rows, place), ids in zip(parts, step.global_ids, strict=True):
            shown[rows] = ids[place]
        if progress is not None and number % 500 == 0:
            progress(end, len(stream.name))
    final = associator.finalize()
    took = time.perf_counter() - started
    pairs = zip(stream.camera.tolist(), stream.tracklet.tolist(), strict=True)
    return np.array([final[f"c{camera}", track] for camera, track in pairs], np.int64), shown, took


def score(stream: Stream, labels: Ints, seconds: float = 0.0) -> StreamScore:
    """Score identities (N,) against the people, weighted by images."""
    people, truth = np.unique(stream.person, return_inverse=True)
    made, found = np.unique(labels, return_inverse=True)
    table = np.zeros((len(people), len(made)))
    np.add.at(table, (truth.reshape(-1), found.reshape(-1)), 1)
    total = table.sum()
    rows, columns = linear_sum_assignment(table, maximize=True)
    precision = float((table**2 / table.sum(axis=0)).sum() / total)
    recall = float((table**2 / table.sum(axis=1, keepdims=True)).sum() / total)
    tracklets = len(np.unique(stream.tracklet))
    return StreamScore(
        idf1=float(table[rows, columns].sum() / total),
        bcubed=2 * precision * recall / (precision + recall),
        precision=precision,
        recall=recall,
        made=len(made),
        people=len(people),
        images=int(total),
        tracklets=tracklets,
        milliseconds=1000 * seconds / tracklets,
    )


def confusions(stream: Stream, labels: Ints, most: int) -> list[dict[str, Any]]:
    """The identities that hold most images of people other than their main one.

    Returns:
        at most `most` records {"identity": id, "people": {person: images}}, the worst first.
    """
    out = []
    for identity in np.unique(labels).tolist():
        people, images = np.unique(stream.person[labels == identity], return_counts=True)
        order = np.argsort(-images, kind="stable")
        wrong = int(images.sum() - images.max())
        if wrong:
            named = {int(people[i]): int(images[i]) for i in order.tolist()}
            out.append((wrong, {"identity": int(identity), "people": named}))
    out.sort(key=lambda entry: (-entry[0], entry[1]["identity"]))
    return [record for _, record in out[:most]]
