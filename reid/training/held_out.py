"""Held-out people, checked before the first step: what cannot be read or scored is known before the training."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from relaytrack.reid.datasets.base import JUNK, Split, split_queries
from relaytrack.reid.datasets.images import read_image
from relaytrack.reid.errors import DatasetError

log = logging.getLogger(__name__)


def readable(split: Split, what: str = "held-out images", *, workers: int = 2) -> Split:
    """A split without the images that cannot be decoded; a warning says how many and names the first.

    Args:
        split: the images.
        what: what the warning calls them.
        workers: threads that decode.
    """
    with ThreadPoolExecutor(workers) as pool:
        fine = np.fromiter(pool.map(_decodes, split.paths), np.bool_, len(split))
    if fine.all():
        return split
    lost = [path for path, whole in zip(split.paths, fine, strict=True) if not whole]
    said = "cannot be decoded" if any(path.exists() for path in lost) else "are not there"
    log.warning("%d %s %s and are left out, the first is %s", len(lost), what, said, lost[0])
    return split.take(fine)


def why_not_scored(split: Split) -> str | None:
    """Why a split gives no scores and no threshold, as the end of a sentence; None where it does."""
    people = split.take(split.ids != JUNK)
    if len(people.identities) < 2:
        return f"their number is {len(people.identities)}, and at least two are needed"
    queries = split_queries(people)
    asked = np.stack((people.ids, people.cameras), 1)[queries]
    rest = people.take(~queries)
    across = asked[:, 0][:, None] == rest.ids[None]
    across &= asked[:, 1][:, None] != rest.cameras[None]
    if not across.any():
        return "none of them is seen by two cameras with two images in one of them"
    return None


def need_scorable(dataset: str, split: Split) -> None:
    """Refuse people whose scores nobody can tell, before anything is computed.

    Raises:
        DatasetError: see `why_not_scored`; names the data set.
    """
    reason = why_not_scored(split)
    if reason is not None:
        raise DatasetError(f"{dataset}: the people cannot be scored: {reason}")


def usable(split: Split | None, *, workers: int = 2) -> Split | None:
    """The readable part of the held-out people, or None where the run cannot be validated on it.

    A warning says what is left out and why, so that the data can be mended before the training starts.
    """
    if split is None:
        return None
    split = readable(split, workers=workers)
    reason = why_not_scored(split)
    if reason is None:
        return split
    log.warning(
        "the held-out people cannot be scored: %s; the run goes on without validation, and its weights get no "
        "threshold (`relaytrack reid calibrate` measures one later)",
        reason,
    )
    return None


def _decodes(path: Path) -> bool:
    try:
        read_image(path)
    except DatasetError:
        return False
    return True
