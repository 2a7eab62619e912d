"""What can be found wrong with a run within a second, before any network is loaded."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from relaytrack.pipeline import plugins
from relaytrack.pipeline.config.ground import ground_planes
from relaytrack.pipeline.config.schema import DETECTORS, Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.results.folder import check_output, results_to_remove
from relaytrack.pipeline.results.inputs import check_sources_stay
from relaytrack.pipeline.sources import check_source
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.installed import find_weights

_SQLITE = b"SQLite format 3\0"


def preflight(config: Config, *, output: bool = True, cameras: Collection[str] | None = None) -> None:
    """Look at all that a run needs and that costs next to nothing: files, variables, calibrations, the output folder.

    Cameras that are files or folders are opened and closed again; streams are left alone.

    Args:
        config: the checked configuration.
        output: whether the output folder is looked at too.
        cameras: the cameras that are opened; None for all, of which there must be one.

    Raises:
        ConfigError: no cameras, a variable that is not set, a missing file of weights or detections, a calibration
            of no use, a way between cameras that are not there.
        OutputError: the output folder must not be written to, or the run is to read what it would remove there.
        SourceError: a file is missing or no video.
    """
    if not config.cameras and cameras is None:
        raise ConfigError("no cameras: name at least one (cameras: in the configuration, or --source)")
    if output and config.output.dir is not None:
        check_output(config.output.dir, overwrite=config.output.overwrite, resume=config.output.resume)
        _check_store(config)
        if config.output.overwrite:
            check_sources_stay(config, results_to_remove(config.output.folder, config.output.store))
    _check_files(config)
    _check_plugins(config)
    ground_planes(config)
    names = {camera.name for camera in config.cameras}
    for first, second, *_ in config.identities.travel_times if names else ():
        for name in {first, second} - names:
            raise ConfigError(f"identities.travel_times: there is no camera {name!r}")
    for camera in config.cameras:
        if cameras is not None and camera.name not in cameras:
            continue
        check_source(camera, config.input, config.run)


def _check_store(config: Config) -> None:
    """Check that the file of identities can be made.

    Raises:
        ConfigError: its folder is not there, and is none that the run makes; or the file is something else.
    """
    if config.output.store is None or config.output.dir is None:
        return
    store = Path(config.output.store)
    folder = store.absolute().parent
    if not folder.is_dir() and folder != Path(config.output.dir).absolute():
        raise ConfigError(f"output.store: no such folder: {folder}")
    if store.is_dir():
        raise ConfigError(f"output.store: a folder, not a file: {store}")
    if store.is_file():
        with store.open("rb") as file:
            begin = file.read(len(_SQLITE))
        if begin and begin != _SQLITE:
            raise ConfigError(f"output.store: not an SQLite file: {store}")


def _check_plugins(config: Config) -> None:
    """Check that the parts of other packages are installed and that their options are right.

    Raises:
        ConfigError: one is not there or its options are wrong, or a part of our own is given options.
    """
    if config.detector.backend not in DETECTORS:
        plugins.check("detectors", "detector", config.detector.backend, config.detector.options)
    elif config.detector.options:
        raise ConfigError(_no_options("detector", config.detector.backend))
    if config.embedder.name != "reid":
        plugins.check("embedders", "embedder", config.embedder.name, config.embedder.options)
    elif config.embedder.options:
        raise ConfigError(_no_options("embedder", config.embedder.name))
    if not config.tracker.is_ours:
        plugins.check("trackers", "tracker", config.tracker.name, config.tracker.options)
    elif config.tracker.options:
        raise ConfigError(_no_options("tracker", config.tracker.name))
    for sink in config.sinks:
        plugins.check("sinks", "sink", sink.name, sink.options)


def _no_options(section: str, name: str) -> str:
    return f"{section}.options are for parts of installed packages; the settings of {name!r} are keys of {section}"


def _check_files(config: Config) -> None:
    """Check that the files of weights and detections are there.

    Raises:
        ConfigError: one is not there; the message names key and file.
    """
    try:
        find_weights(config.embedder.weights)
    except WeightsError as error:
        raise ConfigError(f"embedder.weights: {error}") from error
    named = config.detector.backend == "ultralytics" and not Path(config.detector.weights or "").is_absolute()
    file = None if named or config.detector.backend == "file" else config.detector.weights
    if file is not None and not Path(file).exists():
        raise ConfigError(f"detector.weights: no such file: {file}")
    if config.detector.backend == "file":
        for camera in config.cameras:
            if not camera.detections:
                raise ConfigError(
                    f"camera {camera.name!r}: detector.backend is 'file', but it names no detections file"
                )
            if not Path(camera.detections).is_file():
                there = Path(camera.detections).exists()
                what = "detections are no file, but a folder or a pipe" if there else "no such file of detections"
                raise ConfigError(f"camera {camera.name!r}: {what}: {camera.detections}")
