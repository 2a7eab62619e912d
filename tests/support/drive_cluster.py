"""Runs a site on a cluster and tells on stdout, line by line, how it goes: `drive_cluster.py SITE.yaml ADDRESS`.

A line on stdin ends the run.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from relaytrack.pipeline.cluster.cluster_run import ClusterRun
from relaytrack.pipeline.config.loading import load_config


def tell(**about: Any) -> None:
    """Print a line."""
    print(json.dumps(about), flush=True)


def main() -> None:
    """See the module."""
    run = ClusterRun(load_config(sys.argv[1]), sys.argv[2])

    def watch() -> None:
        while True:
            frames = {name: one.frames for status in run.nodes for name, one in status.cameras.items()}
            tell(frames=frames, cut={status.node: status.cut for status in run.nodes})
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()
    threading.Thread(target=lambda: (sys.stdin.readline(), run.stop()), daemon=True).start()
    summary = run.run()
    assert run.crew is not None
    assert run.identities is not None
    tell(over=summary.frames, moves=list(run.crew.moves), lost=dict(run.identities.lost))


if __name__ == "__main__":
    main()
