"""Keys that have been renamed or removed: they still work in this release, with a warning.

An old name sets the new key; a key that was removed is ignored.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

RENAMED: Mapping[str, Mapping[str, str]] = {
    "cameras": {"crop": "roi"},
    "tracker": {
        "high_score": "track_high_thresh",
        "low_score": "track_low_thresh",
        "birth_score": "new_track_thresh",
        "match_gain": "match_score",
        "birth_iou": "new_track_iou",
        "birth_appearance": "new_track_appearance",
        "refind_appearance": "recover_appearance",
        "refind_distance": "recover_distance",
        "refind_radius": "recover_radius",
        "refind_speed": "recover_speed",
    },
    "identities": {"part_tracks": "split_switched_tracks"},
    "output": {"blur": "anonymise"},
    "run": {"lanes": "inference_streams"},
}
"""Section -> old key -> new key; `cameras` is a list of sections."""

SECTIONS: Mapping[str, str] = {"batch": "sync"}
"""Old name of a section -> new name."""

REMOVED: Mapping[str, Mapping[str, str]] = {
    "tracker": dict.fromkeys(("score_noise", "recover_growth", "refind_growth"), "it made no difference beyond noise"),
}
"""Section -> key that is ignored -> why it was removed."""


class RenamedKeyWarning(FutureWarning):
    """A configuration uses a key by its old name, or one that was removed."""


def with_new_names(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the present names of its keys; the one given stays as it is.

    Args:
        raw: a configuration as it was read; values of wrong types stay as they are.

    Raises:
        ValueError: a key is given under both names.
    """
    renamed = _renamed("", raw, SECTIONS)
    for section, names in RENAMED.items():
        value = renamed.get(section)
        if isinstance(value, Mapping):
            value = _without_removed(section, value)
        if isinstance(value, Mapping):
            renamed[section] = _renamed(f"{section}.", value, names)
        elif isinstance(value, list | tuple):
            renamed[section] = [
                _renamed(f"{section}.{place}.", entry, names) if isinstance(entry, Mapping) else entry
                for place, entry in enumerate(value)
            ]
    return renamed


def _renamed(where: str, value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    for old in names.keys() & value.keys():
        if names[old] in value:
            raise ValueError(f"{where}{old} is the old name of {where}{names[old]}: give only the new one")
        text = f"{where}{old} is now called {where}{names[old]}; the old name ends with the next release"
        warnings.warn(text, RenamedKeyWarning, stacklevel=2)
    return {names.get(key, key): entry for key, entry in value.items()}


def _without_removed(section: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    gone = REMOVED.get(section, {})
    for key in gone.keys() & value.keys():
        text = f"{section}.{key} is ignored, and refused from the next release on: {gone[key]}"
        warnings.warn(text, RenamedKeyWarning, stacklevel=2)
    return {key: entry for key, entry in value.items() if key not in gone}
