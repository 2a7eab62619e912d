"""A live run in a forked process, which may be killed, starved of disk or told to end."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from relaytrack.pipeline.benchmarks.chaos.two_people import ColourDetector, ColourEmbedder, TwoPeople
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.trackers.errors import TrackerError

KILLED = -signal.SIGKILL
REFUSED = 2
CRASHED = 3
_LONGEST = 8000  # letters of what it says, which fit into a pipe


class ChildRun:
    """A run of two cameras that goes on in `folder` where an earlier one ended.

    Args:
        folder: the output folder.
        before: called in the new process before the run.
        output: keys of the section `output`.

    Attributes:
        said: what it said when it ended.
    """

    def __init__(self, folder: Path, before: Callable[[], object] | None = None, **output: Any) -> None:
        self.said = ""
        self._pipe, write = os.pipe()  # no disk is needed to say something
        self.pid = os.fork()
        if self.pid == 0:
            code, text = _run(folder, before, output)
            os.write(write, text[-_LONGEST:].encode(errors="replace"))
            os._exit(code)
        os.close(write)

    def kill(self) -> int:
        """Kill it; returns how it ended: KILLED, or its exit code where it had ended before."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait(10.0) or 0

    def stop(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, limit: float) -> int | None:
        """How it ended, as `subprocess` tells it; None where it goes on."""
        end = time.monotonic() + limit
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                with open(self._pipe, "rb") as pipe:
                    self.said = pipe.read().decode(errors="replace")
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > end:
                return None
            time.sleep(0.005)


def _run(folder: Path, before: Callable[[], object] | None, output: dict[str, Any]) -> tuple[int, str]:
    """The run; returns the exit code as the command line does, and what there is to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal gives it to this process, too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until there is a run to stop
    try:
        if before is not None:
            before()
        settings = {"dir": str(folder), "resume": True, "segment_minutes": 0.03, "report": False, **output}
        config = Config.model_validate({"output": settings})
        run = Pipeline(
            config,
            sources=[TwoPeople("a"), TwoPeople("b")],
            detector=ColourDetector(),
            embedder=ColourEmbedder(),
        )
        signal.signal(signal.SIGTERM, lambda number, frame: run.stop())
        run.run()
    except (RelayTrackError, TrackerError) as error:
        return REFUSED, str(error)
    except BaseException:
        return CRASHED, traceback.format_exc()
    return 0, ""
