"""A live run that goes on in the folder of an earlier start (`output.resume`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError, InputError, OutputError
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.results.embeddings import embeddings_in
from relaytrack.pipeline.results.folder import MARKER
from relaytrack.pipeline.results.identities import NAME as IDENTITIES
from relaytrack.pipeline.results.identities import Identities, read_identities
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.run_file import RUN_FILE, read_run_file

LOG = logging.getLogger(__name__)
STORE = "identities.db"
_SPARE = 1000  # track ids go on at the next thousand: the ids of the last seconds may not have been written


@dataclass(frozen=True, slots=True)
class EarlierStart:
    """What a new start takes over.

    Attributes:
        zero: seconds since 1970 at the run's time 0; the clock goes on.
        first_ids: by camera, the number after which new track ids begin.
        identities: those that were seen already.
        last: the run's time at which the last start still wrote, seconds.
    """

    zero: float
    first_ids: Mapping[str, int]
    identities: tuple[int, ...]
    last: float = 0.0


def with_store(config: Config) -> Config:
    """The configuration of a live run, which can go on later: identities are kept in its folder, or where it says."""
    if config.output.dir is None or config.output.store is not None:
        return config
    store = str(config.output.folder / STORE)
    return config.model_copy(update={"output": config.output.model_copy(update={"store": store})})


def find_earlier_start(config: Config, *, live: bool) -> EarlierStart | None:
    """Read what the last start left, or None where the folder is new or `output.resume` is off.

    Args:
        config: the configuration, after `with_store`.
        live: whether the new start is live.

    Raises:
        ConfigError: a run over files cannot go on.
        OutputError: the folder holds no live run that can go on.
    """
    if not config.output.resume or config.output.dir is None:
        return None
    if not live:
        raise ConfigError("output.resume (--resume): only a live run can be resumed; this one reads files")
    folder = config.output.folder
    if not (folder / MARKER).exists() or not (folder / RUN_FILE).exists():
        return None
    info = _run_info(folder)
    zero = info.get("clock_zero")
    if not isinstance(zero, int | float):
        raise OutputError(f"{folder} holds no live run that can be resumed (run.json has no clock_zero)")
    if config.output.store is None or not Path(config.output.store).exists():
        raise OutputError(
            f"{folder}: cannot be resumed: its identities were not kept ({config.output.store} is missing); choose "
            "another folder"
        )
    known = _known(folder)
    highest: dict[str, int] = {}
    people = {} if known is None else known.people
    for track in (track for tracks in people.values() for track in tracks):
        highest[track.camera] = max(highest.get(track.camera, 0), track.track)
    written = [folder / RUN_FILE, *(folder / "tracks").glob("*/*.txt")]
    last = max(path.stat().st_mtime for path in written) - zero
    if known is not None:
        last = max(last, known.span[1])
    for path in written[1:]:
        highest[path.parent.name] = max(highest.get(path.parent.name, 0), _highest_in(path))
    first = {camera: -(-(most + 1) // _SPARE) * _SPARE for camera, most in highest.items()}
    return EarlierStart(float(zero), first, tuple(people), last)


def earlier_people(folder: Path) -> tuple[Identities, dict[tuple[str, int], Floats]] | None:
    """The people and embeddings, by (camera, track id), that the last start left; None where it left no list.

    A damaged file of embeddings is told and counts as empty: cameras are not to stand still for it.

    Raises:
        OutputError: the people cannot be read.
    """
    if not (folder / IDENTITIES).exists():
        return None
    try:
        known = read_identities(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{folder / IDENTITIES}: cannot be read; the run cannot be resumed") from error
    try:
        return known, embeddings_in(folder)
    except (OSError, InputError) as error:
        LOG.warning("%s; the run goes on without the looks of earlier tracks", error)
        return known, {}


def _run_info(folder: Path) -> dict[str, Any]:
    try:
        return read_run_file(folder)
    except InputError as error:
        raise OutputError(f"{error}; the run cannot be resumed") from None


def _known(folder: Path) -> RunData | None:
    if not (folder / IDENTITIES).exists():
        return None
    try:
        return load_run(folder)
    except InputError as error:
        raise OutputError(f"{error}; the run cannot be resumed") from error


def _highest_in(path: Path) -> int:
    words = (line.split(b",", 2) for line in path.read_bytes().splitlines())
    return max((int(word[1]) for word in words if len(word) > 2 and word[1].isdigit()), default=0)
