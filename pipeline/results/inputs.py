"""The files that a run reads, so that none of them is written over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.config.urls import known_variables, plain_address
from relaytrack.pipeline.errors import OutputError


def inputs_of(config: Config, *more: Path | str | None) -> list[Path]:
    """Files and folders that are read by a configuration: recordings, detections and weights; and `more`."""
    read = [source for _, source in _of_cameras(config)]
    read += [Path(one) for one in (config.detector.weights, config.embedder.weights, *more) if one is not None]
    return read


def check_sources_stay(config: Config, results: Iterable[Path]) -> None:
    """See that what is removed by `output.overwrite` is not what the run reads.

    Args:
        config: the run's configuration.
        results: the files that will be removed.

    Raises:
        OutputError: a camera's recording, pictures or detections are among them.
    """
    removed = {path.resolve() for path in results}
    for name, source in _of_cameras(config):
        inside = [source] if source.is_file() else list(source.iterdir()) if source.is_dir() else []
        if any(path.resolve() in removed for path in inside):
            raise OutputError(
                f"output folder {config.output.dir}: overwriting would remove what camera {name!r} is read from; "
                "choose another output folder"
            )


def _of_cameras(config: Config) -> list[tuple[str, Path]]:
    """What each camera is read from, with its name; nothing of streams."""
    found = []
    for camera in config.cameras:
        address = plain_address(known_variables(camera.url))
        found += [(camera.name or "", Path(one)) for one in (address, camera.detections) if one and "://" not in one]
    return found
