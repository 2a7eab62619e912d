"""What a person sees of a run: a live line, or plain lines where the output is no terminal, and a summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import shown
from relaytrack.pipeline.engine import Progress
from relaytrack.pipeline.results.run_file import RUN_FILE
from relaytrack.pipeline.runtime.summary import CameraSummary, Summary
from relaytrack.reid import ReidError
from relaytrack.reid.notice import notice_of

_REFRESH = 0.2
_PLAIN_EVERY = 10.0


def console_progress(stream: TextIO, *, live: bool = False) -> Progress:
    """A line that renews itself on a terminal, one every ten seconds elsewhere; those of live runs have their date."""
    console = Console(file=stream)
    return LiveProgress(console, live=live) if console.is_terminal else PlainProgress(stream, live=live)


class _Line:
    """The text of the progress line, and of lines that are printed once.

    Args:
        live: say how old each camera's newest frame was when its people had ids; in a recording that means nothing.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._told: set[str] = set()
        self._last = (time.monotonic(), dict[str, int]())

    def text(self, summary: Summary, waiting: Mapping[str, int]) -> str:
        now, frames = time.monotonic(), {name: camera.frames for name, camera in summary.cameras.items()}
        before, counted = self._last
        passed = max(now - before, 1e-6)
        self._last = (now, frames)
        rates = "  ".join(
            f"{name} {(frames[name] - counted.get(name, 0)) / passed:.1f} fps{self._state(camera)}"
            for name, camera in summary.cameras.items()
        )
        last = max((camera.last_time or 0.0 for camera in summary.cameras.values()), default=0.0)
        return f"{last:7.1f} s  {rates}  waiting {sum(waiting.values())}  identities {summary.identity_count}"

    def _state(self, camera: CameraSummary) -> str:
        """What stands beside a camera's rate: frames that were dropped, and the age of the newest one."""
        said = [f"{camera.dropped} dropped"] if camera.dropped else []
        if self._live and camera.age is not None:
            said.append(f"{1000 * camera.age:.0f} ms")
        return f" ({', '.join(said)})" if said else ""

    def news(self, summary: Summary) -> list[str]:
        """Say once for every camera how small people may be."""
        seen = {name: one.sight for name, one in summary.cameras.items() if one.sight and name not in self._told}
        self._told.update(seen)
        return [
            f"camera {name}: people are found from about {sight.smallest} pixels of height on "
            f"(detector.image_size {sight.side})"
            for name, sight in seen.items()
        ]


class LiveProgress:
    """One line that renews itself (rich)."""

    def __init__(self, console: Console, *, live: bool = False) -> None:
        self._live = Live(console=console, refresh_per_second=5, transient=True)
        self._line = _Line(live=live)
        self._shown = 0.0
        self._running = False

    def start(self, phase: str, total: float | None = None) -> None:
        """Begin a phase."""
        if not self._running:
            self._live.start()
            self._running = True
        if phase == "finalize":
            self._live.update(Text("final identities:   0 %"))

    def step(self, summary: Summary, waiting: Mapping[str, int]) -> None:
        """Show frames per second per camera, the queues' depth and the identities."""
        for words in self._line.news(summary):
            self._live.console.print(words, soft_wrap=True, highlight=False, markup=False)
        now = time.monotonic()
        if now - self._shown >= _REFRESH:
            self._shown = now
            self._live.update(Text(self._line.text(summary, waiting)))

    def advance(self, done: float) -> None:
        """Show how much of the final pass is done."""
        self._live.update(Text(f"final identities: {100 * done:3.0f} %"))

    def stop(self) -> None:
        """Leave the terminal clean."""
        if self._running:
            self._live.stop()
            self._running = False


class PlainProgress:
    """A line now and then, for logs."""

    def __init__(self, stream: TextIO, *, live: bool = False) -> None:
        self._stream = stream
        self._dated = live
        self._line = _Line(live=live)
        self._shown = time.monotonic()

    def start(self, phase: str, total: float | None = None) -> None:
        """Say when the final pass begins."""
        if phase == "finalize":
            self._print("writing final identities")

    def step(self, summary: Summary, waiting: Mapping[str, int]) -> None:
        """Print the figures every ten seconds."""
        for words in self._line.news(summary):
            self._print(words)
        now = time.monotonic()
        if now - self._shown >= _PLAIN_EVERY:
            self._shown = now
            self._print(self._line.text(summary, waiting))

    def advance(self, done: float) -> None:
        """Stay quiet."""

    def stop(self) -> None:
        """Nothing to tidy up."""

    def _print(self, text: str) -> None:
        print(f"{shown(time.time())} INFO {text}" if self._dated else text, file=self._stream, flush=True)


def print_weights_licence(config: Config) -> None:
    """Say in one line what the embedder's weights may be used for, where they have such a notice."""
    line = weights_licence(config)
    if line:
        print(line, file=sys.stderr)


def weights_licence(config: Config) -> str | None:
    """The licence of the bundled embedder weights in one line, or the notice in a file of others; None without one."""
    named = config.embedder.weights
    if named in (None, "default", "relaytrack-default", "relaytrack-default-int8"):
        return (
            "Using the default re-identification weights, trained on Market-1501 and CUHK03: research use only "
            "(reid/weights/LICENSE-WEIGHTS.txt); embedder.weights: retail-0286 is Apache-2.0."
        )
    try:
        return notice_of(named) or None
    except ReidError:  # the run says what is wrong with the file; a cluster's may lie on its machines only
        return None


def print_summary(summary: Summary, config: Config) -> None:
    """Print the table of cameras, the identities and the paths of what was written."""
    console = Console()
    table = Table("camera")
    for column in ("frames", "frames/s", "people"):
        table.add_column(column, justify="right")
    lossy = any(c.dropped or c.broken or c.reconnects for c in summary.cameras.values())
    if lossy:
        for column in ("dropped", "broken", "reconnects"):
            table.add_column(column, justify="right")
    for name, camera in summary.cameras.items():
        row = [name, str(camera.frames), f"{summary.rate(name):.1f}", str(summary.people(name))]
        row += [str(camera.dropped), str(camera.broken), str(camera.reconnects)] if lossy else []
        table.add_row(*row)
    console.print(table)
    console.print(
        f"{summary.identity_count} identities, {summary.shared_identities} of them seen in 2 or more cameras"
        f" ({summary.frames} frames in {summary.total_seconds:.1f} s)"
    )
    if config.output.dir is None:
        return
    out = None if config.output.dir is None else config.output.folder
    for what in ("video/mosaic.mp4", "video", "tracks", "global", "identities.json", "report.html", RUN_FILE):
        if (out / what).exists():
            console.print(f"  {out / what}", soft_wrap=True, highlight=False, markup=False)
    for name, camera in summary.cameras.items():
        for words in filter(None, (camera.warning, camera.error)):
            text = words if words.startswith("camera ") else f"camera {name}: {words}"
            console.print(text, soft_wrap=True, highlight=False, markup=False)
