"""A run's own part of the shared place: looked at before the work begins, by the start and by every machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import stamp
from relaytrack.pipeline.errors import ConfigError, OutputError, RelayTrackError
from relaytrack.pipeline.results.folder import MARKER
from relaytrack.pipeline.share.places import KEY, SharedPlace, below, open_place, within

_ANSWER = 20.0  # seconds that a place gets to answer
_PROBE = ".relaytrack-probe"


def check_share(config: Config) -> None:
    """See that the shared place can be written to, if there is to be one; nothing is left there.

    Raises:
        ConfigError: settings do not fit together, a protocol is not known, or a package is not installed.
        OutputError: the place cannot be reached or refuses.
    """
    address = config.cluster.share
    if address is None:
        return
    if config.output.dir is None:
        raise ConfigError(f"{KEY}: output.dir is null: there are no results that could go there")
    if config.cluster.collect == "text":
        raise ConfigError(
            f"{KEY}: the list of people there names their pictures: cluster.collect must be crops or all, not text"
        )
    place = open_place(address)
    within(_ANSWER, place.address, lambda: _try(place))


def begin_share(config: Config, *, now: float | None = None) -> Config:
    """Make the run's own part of the place, named by its moment.

    Returns:
        The configuration with that part as `cluster.share`.

    Raises:
        RelayTrackError: as `check_share`.
    """
    if config.cluster.share is None:
        return config
    name = own = stamp(time.time() if now is None else now)
    number = 1
    while open_place(below(config.cluster.share, own)).exists(MARKER):
        number += 1
        own = f"{name}_{number}"
    address = below(config.cluster.share, own)
    text = json.dumps({"format": 1, "cameras": [camera.name for camera in config.cameras], "shared": True})
    put_text(open_place(address), MARKER, text + "\n")
    return config.model_copy(update={"cluster": config.cluster.model_copy(update={"share": address})})


@contextmanager
def unused_if_it_fails(config: Config) -> Iterator[None]:
    """Remove a run's part of the place again if what is done within the block fails: the run did not begin."""
    try:
        yield
    except BaseException:
        if config.cluster.share is not None:
            with suppress(RelayTrackError):
                open_place(config.cluster.share).remove(MARKER)
        raise


def check_share_here(config: Config) -> None:
    """See that this machine reaches the run's part of the place, and the same as the machine that started it.

    Raises:
        ConfigError: a package or a variable is missing here.
        OutputError: the place cannot be reached or refuses, or is another one here.
    """
    address = config.cluster.share
    if address is None:
        return
    place = open_place(address)

    def look() -> None:
        if not place.exists(MARKER):
            raise OutputError(f"{KEY}: not the same place here as where the run was started (mounted?): {address}")
        _try(place)

    within(_ANSWER, place.address, look)


def put_text(place: SharedPlace, name: str, text: str) -> None:
    """Write a small file there.

    Raises:
        OutputError: the place cannot be reached or refuses.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        path.write_text(text, encoding="utf-8")
        place.put(name, path)


def _try(place: SharedPlace) -> None:
    name = f"{_PROBE}-{uuid4().hex}"
    put_text(place, name, "")
    place.remove(name)
