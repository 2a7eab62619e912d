"""What a machine's work brings to the shared place: of a run its cameras' files, of a served site its whole folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from relaytrack.pipeline.cluster.work_order import WorkOrder
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.results.result_names import INDEX, SUFFIX
from relaytrack.pipeline.share.keeper import ShareKeeper
from relaytrack.pipeline.share.leftovers import bring_leftovers
from relaytrack.pipeline.share.mirror import Mirror
from relaytrack.pipeline.share.places import below, open_place


def node_share(
    order: WorkOrder, config: Config, folder: str | None, *, live: bool, is_over: Callable[[], bool]
) -> ShareKeeper | None:
    """Brings the results of an order to the shared place; None where there is none.

    Args:
        order: the order.
        config: its configuration; `cluster.share` is the run's own part of the place.
        folder: of its results.
        live: whether it has live cameras.
        is_over: whether the work is over.

    Raises:
        RelayTrackError: the place cannot be opened.
    """
    share = config.cluster.share
    if share is None or folder is None:
        return None
    path = Path(folder)
    if order.served is None:
        mirror = Mirror(path, open_place(share), of_cameras, together=live)
        return ShareKeeper(mirror, path, live=live, is_over=is_over)
    mirror = Mirror(path, open_place(below(share, order.node)), of_site)
    return ShareKeeper(
        mirror, path, live=True, is_over=is_over, also=partial(bring_leftovers, path.parent, of_site, but=path)
    )


def of_cameras(name: str) -> bool:
    """Whether a file is a camera's alone: `video/gate.mp4`, `crops/gate/3-1.jpg`; lists are made for all together."""
    kind, _, rest = name.partition("/")
    if kind not in SUFFIX or rest == INDEX or rest.startswith(("mosaic.", "mosaic/")):
        return False
    return kind != "crops" or "/" in rest  # else an identity's picture, which is chosen among all machines' crops


def of_site(name: str) -> bool:
    """Whether a file of a served site's start belongs at the place: all but databases, which change while read."""
    return not name.endswith(".db")
