"""A finished run over files, opened for corrections by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.loading import with_paths
from relaytrack.pipeline.config.schema import Config, OutputConfig
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.results.alone import alone_in
from relaytrack.pipeline.results.earlier_starts import STORE
from relaytrack.pipeline.results.folder import writing
from relaytrack.pipeline.results.identities import NAME
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.run_file import RUN_FILE, write_run_file
from relaytrack.pipeline.results.visits import people_in_several
from relaytrack.trackers.identities.types import TrackKey

Videos = Literal["redraw", "delete"]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run over files that can be corrected."""

    folder: Path
    config: Config
    data: RunData
    version: tuple[int, int] = (0, 0)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Correct it in this block: nobody else does meanwhile, or has done since it was read.

        Raises:
            InputError: it was changed since.
            OutputError: another correction is at work there.
        """
        with alone_in(self.folder):
            if self.version != _version(self.folder):
                raise InputError(f"{self.folder}: was corrected meanwhile; look at it again")
            yield

    @property
    def ids(self) -> dict[TrackKey, int]:
        """The identity of every track."""
        return {(track.camera, track.track): person for person, tracks in self.data.people.items() for track in tracks}


def open_run(folder: Path) -> FinishedRun:
    """Read a run's folder for correcting.

    Raises:
        InputError: it holds no run, a live one, or one whose files are not final.
    """
    version = _version(folder)
    data = load_run(folder)
    config = config_of(folder, data)
    if data.run.get("final") is not True:
        raise InputError(
            f"{folder}: this run did not reach its end, so it cannot be corrected; run it again (--overwrite)"
        )
    return FinishedRun(folder, config, data, version)


def _version(folder: Path) -> tuple[int, int]:
    """Changes whenever the list of people is written anew."""
    try:
        found = os.stat(folder / NAME)
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def config_of(folder: Path, data: RunData) -> Config:
    """The configuration of a run, whose output folder is where it lies now.

    Relative paths are those of the working folder in which the run was started, where the file is there.

    Raises:
        InputError: run.json holds none that can be read.
    """
    try:
        config = Config.model_validate(_as_it_was(data.run["config"]))
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(f"{folder / RUN_FILE}: holds no configuration of this version of RelayTrack") from error
    started_in = data.run.get("working_folder")
    base = Path(started_in if isinstance(started_in, str) else "")
    output = config.output
    return config.model_copy(
        update={
            "output": output.model_copy(update={"dir": str(folder), "store": _store(base, output)}),
            "cameras": tuple(with_paths(camera, partial(_from, base)) for camera in config.cameras),
            "sinks": tuple(
                sink.model_copy(update={"options": {**sink.options, "spool": _from(base, str(sink.options["spool"]))}})
                if sink.options.get("spool")
                else sink
                for sink in config.sinks
            ),
        }
    )


def _as_it_was(values: dict[str, Any]) -> dict[str, Any]:
    """A run's settings, where its lines are of a version that filled no gaps: a correction fills none either."""
    return {**values, "output": {"fill_gaps": 0, **values["output"]}}


def _store(base: Path, output: OutputConfig) -> str | None:
    """The file of a run's identities; None where it lies in the run's own folder, which may have been moved since."""
    if output.store is None or (output.dir is not None and Path(output.store) == output.folder / STORE):
        return None
    return _from(base, output.store)


def _from(base: Path, path: str) -> str:
    """A path as seen from a folder, if there is something; else unchanged."""
    return str(base / path) if "://" not in path and (base / path).exists() else path


def delete_videos(run: FinishedRun, names: Sequence[str]) -> None:
    """Delete the videos of these names.

    Raises:
        OutputError: a file cannot be deleted.
    """
    for name in names:
        path = run.folder / "video" / f"{name}.mp4"
        with writing(path, "delete"):
            path.unlink(missing_ok=True)


def refresh(folder: Path, config: Config) -> None:
    """Bring the figures of run.json and the report up to date; a live run that was killed has no figures yet."""
    data = load_run(folder)
    if "identities" in data.run or data.run.get("final") is True:
        data.run["identities"] = {"count": len(data.people), "in_two_or_more_cameras": people_in_several(data)}
        write_run_file(folder, data.run)
    if (folder / "report.html").exists():
        write_report(folder, ground_planes(config))
