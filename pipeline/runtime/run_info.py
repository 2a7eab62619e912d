"""run.json: what ran, with which versions and settings, where, and how long each stage took."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.results.run_file import known_of_run, write_run_file
from relaytrack.pipeline.runtime.summary import Summary
from relaytrack.pipeline.sources import Source, footage_of

_PACKAGES = ("relaytrack", "torch", "torchvision", "onnxruntime", "numpy", "opencv-python", "av", "lap")


class RunInfo:
    """Writes run.json at the start of a run (`final: false`) and again at its end.

    Args:
        config: the resolved configuration as it was given; passwords are left out.
        out: the run's folder.
        perception: the networks; device and provider of each are noted, and the licence of the weights.
        sources: the opened cameras.
        clock_zero: seconds since 1970 at the run's time 0, of a live run.

    The file is written at once, so that a killed run says that it is not final.
    """

    def __init__(
        self,
        config: Config,
        out: Path,
        perception: Perception,
        sources: Sequence[Source],
        clock_zero: float | None = None,
    ) -> None:
        self._out = out
        embedder = perception.embedder
        about = getattr(embedder, "info", None)  # an embedder of somebody else's need not have it
        known = {} if any(source.live for source in sources) else footages(config)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        self._data: dict[str, Any] = {
            "versions": _versions(),
            "started": started,
            **({} if clock_zero is None else {"clock_zero": clock_zero}),
            "starts": [*(_starts(out) if config.output.resume else ()), started],
            "final": False,
            "networks": {
                "detector": {
                    "device": config.run.device,
                    "provider": getattr(perception.detector, "provider", None),
                    "precision": getattr(perception.detector, "precision", None),
                },
                "embedder": {
                    "device": config.run.device,
                    "provider": getattr(embedder, "provider", None),
                    "precision": getattr(embedder, "precision", None),
                    "weights": str(getattr(embedder, "weights", "")),
                    "licence": getattr(about, "licence", None),
                    "notice": getattr(about, "notice", None),
                },
            },
            "cameras": {
                s.name: {"live": s.live, "size": s.size, "fps": s.fps, "footage": known.get(s.name)} for s in sources
            },
            "config": config.public(),
            "working_folder": os.getcwd(),  # relative paths in `config` begin there
        }
        self._write()

    def update(self, summary: Summary, *, final: bool) -> None:
        """Write the file with the figures of `summary`; `final` says whether all outputs carry final ids."""
        self._data["final"] = final
        self._data["seconds"] = {
            "follow": round(summary.seconds, 3),
            "total": round(summary.total_seconds, 3),
        }
        self._data["stages"] = {
            name: {key: round(value, 4) for key, value in figures.items()} for name, figures in summary.stages.items()
        }
        self._data["age_seconds"] = summary.age()
        self._data["adapted"] = list(summary.adapted)
        for name, camera in summary.cameras.items():
            self._data.setdefault("cameras", {}).setdefault(name, {}).update(
                frames=camera.frames,
                dropped=camera.dropped,
                broken=camera.broken,
                reconnects=camera.reconnects,
                error=camera.error,
                warning=camera.warning,
                first_time=camera.first_time,
                last_time=camera.last_time,
                tracks=camera.tracks,
                input_side=camera.sight and camera.sight.side,
                smallest_person=camera.sight and camera.sight.smallest,
            )
        self._data["identities"] = {
            "count": summary.identity_count,
            "in_two_or_more_cameras": summary.shared_identities,
        }
        self._write()

    def _write(self) -> None:
        write_run_file(self._out, self._data)


def footages(config: Config) -> dict[str, Any]:
    """What tells each camera's recording from another one; see `pipeline.sources.footage`."""
    return {camera.name or "": footage_of(camera) for camera in config.cameras}


def _starts(folder: Path) -> list[str]:
    """The earlier starts of a run, as dates."""
    found = known_of_run(folder).get("starts", [])
    return [str(date) for date in found] if isinstance(found, list) else []


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.system(), "cpus": str(os.cpu_count())}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
