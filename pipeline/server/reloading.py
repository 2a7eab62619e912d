"""Brings the running cameras to what the site's file says, without a pause of those that stay as they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from relaytrack.pipeline.config.schema import CameraConfig, Config
from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import ConfigError, RelayTrackError
from relaytrack.pipeline.server.settings import SETTABLE, at_once, take_up, value_of
from relaytrack.pipeline.server.site import Site
from relaytrack.trackers import TrackerError

LOG = logging.getLogger("relaytrack.server")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did: names of cameras.

    Attributes:
        added, removed, changed: as the file wanted it.
        refused: cameras whose new settings are of no use; they are as they were before.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def named(self) -> dict[str, list[str]]:
        """What was done, by its name; without what was not."""
        return {what: list(names) for what, names in asdict(self).items() if names}

    def __str__(self) -> str:
        """What was done, in one line."""
        return "; ".join(f"{what} {', '.join(names)}" for what, names in self.named().items()) or "nothing has changed"


def reload_file(site: Site, read: Callable[[], Config]) -> None:
    """Read the site's settings and follow them; what is wrong with them is logged, and the site goes on as it is."""
    try:
        with site.changing:
            if not site.file.path.exists():
                raise ConfigError(f"{site.file.path} is not there")
            wanted = read()
            done = reload_cameras(site, wanted.cameras)
            site.audit.note("signal", "cameras reloaded", **done.named())
            LOG.info("cameras reloaded: %s", done)
            _follow(site, wanted)
    except RelayTrackError as error:
        LOG.error("the site's file was not followed: %s", one_line(error))
        return
    sections = [name for name in Config.model_fields if name != "cameras"]
    later = [name for name in sections if getattr(site.config, name) != getattr(wanted, name)]
    if later:
        LOG.warning("changes of %s hold after the next start", ", ".join(later))


def _follow(site: Site, wanted: Config) -> None:
    """Take up the settings that need no new start."""
    changed = [key for key in SETTABLE if at_once(key) and value_of(wanted, key) != value_of(site.config, key)]
    if not changed:
        return
    try:
        take_up(site, wanted, changed)
    except (RelayTrackError, TrackerError) as error:
        LOG.error("%s", one_line(error))
    else:
        LOG.info("these hold from now on: %s", ", ".join(changed))


def reload_cameras(site: Site, wanted: Sequence[CameraConfig]) -> Reloaded:
    """Let cameras go that are no longer wanted, change those that differ, and add the new ones.

    Args:
        site: a site whose engine runs.
        wanted: the cameras as they should be; each has a name.

    Raises:
        RelayTrackError: the engine does not run.
    """
    names = {camera.name for camera in wanted}
    present = {camera.name: camera for camera in site.pipeline.cameras}
    gone = tuple(name for name in present if name not in names)
    for name in gone:
        site.pipeline.remove_camera(name)
    done: dict[str, list[str]] = {"added": [], "changed": [], "refused": []}
    for camera in wanted:
        before = present.get(camera.name)
        if camera == before:
            continue
        what = "added" if before is None else "changed"
        try:
            if before is None:
                site.pipeline.add_camera(camera)
            else:
                site.pipeline.change_camera(camera)
        except RelayTrackError as error:
            what = "refused"
            LOG.error("camera %s: %s", camera.name, one_line(error))
        done[what].append(camera.name)
    return Reloaded(tuple(done["added"]), gone, tuple(done["changed"]), tuple(done["refused"]))
