"""Writes `identities.json` and the people's pictures `crops/<id>.jpg`; see `identities` for what it holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.palette import IdentityColors, Rgb
from relaytrack.pipeline.results.embeddings import embeddings_in
from relaytrack.pipeline.results.folder import write_bytes
from relaytrack.pipeline.results.grounds import Grounds, grounds_of
from relaytrack.pipeline.results.identities import NAME, CameraRecord, TrackRecord, stored_colors
from relaytrack.pipeline.results.identity_pictures import remove_other_pictures, write_picture
from relaytrack.pipeline.results.json_parts import json_in_parts
from relaytrack.trackers.identities.types import Floats, TrackKey

Records = Callable[[], Iterable[TrackRecord]]
"""Reads a person's tracks in the order of `track_order`, each time that it is called."""


def track_order(record: TrackRecord) -> tuple[float, str, int]:
    """The order in which a person's tracks are listed: by their first boxes, then by camera and track id."""
    return record.first, record.camera, record.track


def write_identities(
    folder: Path,
    cameras: Mapping[str, CameraRecord],
    tracks: Iterable[tuple[TrackRecord, int]],
    *,
    pictures: bool = True,
    clock_zero: float | None = None,
    colors: IdentityColors | None = None,
) -> None:
    """Group tracks to identities; write identities.json and each identity's picture, `crops/<id>.jpg`.

    Args:
        folder: the output folder.
        cameras: what came of each camera.
        tracks: every track with its identity.
        pictures: write the identities' pictures too, and remove those of ids that are no more.
        clock_zero: seconds since the epoch at the run's time 0, for live runs.
        colors: the identities' colours; None keeps those of the file that is there.

    Raises:
        OutputError: a file cannot be written.
    """
    groups: dict[int, list[TrackRecord]] = {}
    for record, identity in tracks:
        groups.setdefault(identity, []).append(record)
    for records in groups.values():
        records.sort(key=track_order)
    write_people(
        folder,
        cameras,
        lambda: [(identity, groups[identity].copy) for identity in sorted(groups)],
        pictures=pictures,
        clock_zero=clock_zero,
        colors=colors,
    )


def write_people(
    folder: Path,
    cameras: Mapping[str, CameraRecord],
    people: Callable[[], Iterable[tuple[int, Records]]],
    *,
    pictures: bool = True,
    clock_zero: float | None = None,
    colors: IdentityColors | None = None,
    embeddings: Mapping[TrackKey, Floats] | None = None,
) -> None:
    """`write_identities` for tracks that are not in memory all at once, not even those of one person.

    Args:
        folder: as of `write_identities`, like the rest.
        cameras: as there.
        people: gives every identity with what reads its tracks, in ascending order; called twice where there are
            embeddings.
        pictures: as there.
        clock_zero: as there.
        colors: as there.
        embeddings: mean embeddings of tracks, unit vectors (D,); None takes those of the folder.

    Raises:
        OutputError: a file cannot be written.
    """
    colors = colors or stored_colors(folder)
    grounds = _grounds(people, _embeddings(folder) if embeddings is None else embeddings)
    kept: set[str] = set()

    def entries() -> Iterator[dict[str, Any]]:
        for identity, records in people():
            entry = _identity(identity, records, colors.of(identity), grounds(identity, records))
            if pictures and entry["crop"] is not None:
                entry["crop"] = picture = write_picture(folder, identity, entry["crop"])
                if picture is not None:
                    kept.add(picture)
            yield entry

    head = {
        "format": 1,
        **({} if clock_zero is None else {"clock_zero": round(clock_zero, 3)}),
        "cameras": {name: _without_empty_cuts(asdict(record)) for name, record in cameras.items()},
    }
    write_bytes(folder / NAME, json_in_parts(head, "identities", entries(), "tracks"))
    if pictures:
        remove_other_pictures(folder, kept)


def _grounds(
    people: Callable[[], Iterable[tuple[int, Records]]], embeddings: Mapping[TrackKey, Floats]
) -> Callable[[int, Records], Grounds]:
    """What tells an identity's grounds: by the embeddings where there are some, else by the tracks alone."""

    def tracks(records: Records) -> list[tuple[TrackKey, bool]]:
        """Those that are compared, and of the others what tells the state: one that was corrected, or two."""
        compared: list[tuple[TrackKey, bool]] = []
        bare: list[tuple[TrackKey, bool]] = []
        for record in records():
            one = ((record.camera, record.track), bool(record.former))
            if one[0] in embeddings:
                compared.append(one)
            elif len(bare) < 2:
                bare.append(one)
            elif one[1]:
                bare[0] = one
        return compared + bare

    if not embeddings:
        return lambda identity, records: grounds_of({identity: tracks(records)}, {})[identity]
    known = grounds_of({identity: tracks(records) for identity, records in people()}, embeddings)
    return lambda identity, records: known[identity]


def _without_empty_cuts(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "cuts" or value}


def _embeddings(folder: Path) -> dict[TrackKey, Floats]:
    """Mean embeddings of the run's tracks; none where there is no readable file of them."""
    try:
        return embeddings_in(folder)
    except InputError:
        return {}


def _identity(identity: int, records: Records, color: Rgb, grounds: Grounds) -> dict[str, Any]:
    cameras: set[str] = set()
    first, last, frames = math.inf, -math.inf, 0
    crop, quality = None, -math.inf
    for record in records():
        cameras.add(record.camera)
        first, last, frames = min(first, record.first), max(last, record.last), frames + record.frames
        for one in record.crops:
            if crop is None or float(one["quality"]) > quality:
                crop, quality = one["file"], float(one["quality"])
    return {
        "id": identity,
        "color": list(color),
        "cameras": sorted(cameras),
        "first": first,
        "last": last,
        "frames": frames,
        "crop": crop,
        "grounds": asdict(grounds),
        "tracks": (asdict(record) for record in records()),  # thousands, of somebody who is always there
    }
