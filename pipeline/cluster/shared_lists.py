"""The end of a run at the shared place: the lists of people that are made for all machines together."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Sequence
from pathlib import Path

from relaytrack.pipeline.backoff import Backoff
from relaytrack.pipeline.cluster.gather import NodeResults
from relaytrack.pipeline.cluster.node_share import of_cameras
from relaytrack.pipeline.cluster.work_order import WorkStatus
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.results.folder import MARKER
from relaytrack.pipeline.share.mirror import files_below
from relaytrack.pipeline.share.places import SharedPlace, open_place

LOG = logging.getLogger("relaytrack.share")
_FIRST, _LONGEST, _PATIENCE = 0.5, 10.0, 60.0  # seconds: between tries, and for all of them
_NUMBER = re.compile(r"_[0-9]+(?=\.[a-z0-9]+$)")


def share_lists(out: Path, share: str, nodes: Sequence[NodeResults], found: Sequence[WorkStatus]) -> None:
    """Bring the lists to the shared place, and tell what is not there or in no list; never ends a run.

    Args:
        out: the run's folder, complete.
        share: the run's part of the place.
        nodes: who brought the cameras' files there.
        found: how far they were at their end.
    """
    for status in found:
        if status.shared is not None and status.shared.left:
            LOG.warning(
                "%d files of %s are not in %s; they lie in %s on its machine",
                status.shared.left,
                status.node,
                share,
                status.shared.folder,
            )
    try:
        place = open_place(share)
        _put(out, place)
        known = {name for node in nodes for name in node.files}
        strays = [name for name in place.names() if of_cameras(name) and _NUMBER.sub("", name) not in known]
    except (RelayTrackError, OSError) as error:
        LOG.warning("the lists of people are not at the shared place, copy them from %s: %s", out, one_line(error))
        return
    if strays:
        LOG.warning(
            "%d files of a lost program are in no list of people, and forget does not reach them; delete them: %s",
            len(strays),
            ", ".join(strays[:3]) + (", ..." if len(strays) > 3 else ""),
        )


def _put(out: Path, place: SharedPlace) -> None:
    names = [name for name in files_below(out) if not of_cameras(name) and not name.startswith("video/")]
    waiting = sorted((name for name in names if name != MARKER), key=lambda name: ("/" not in name, name))
    backoff, until = Backoff(_FIRST, _LONGEST, None), time.monotonic() + _PATIENCE
    while waiting:
        try:
            place.put(waiting[0], out / waiting[0])
        except RelayTrackError:
            if time.monotonic() >= until:
                raise
            time.sleep(backoff.pause())
        else:
            del waiting[0]
