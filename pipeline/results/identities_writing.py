"""Writes `identities.json` and the people's pictures `crops/<id>.jpg`; see `identities` for what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.render.palette import IdentityColors, Rgb
from relaytrack.pipeline.results.embeddings import embeddings_in
from relaytrack.pipeline.results.folder import write_bytes
from relaytrack.pipeline.results.grounds import Grounds, grounds_of
from relaytrack.pipeline.results.identities import NAME, CameraRecord, TrackRecord, stored_colors
from relaytrack.pipeline.results.identity_pictures import remove_other_pictures, write_picture
from relaytrack.pipeline.results.json_parts import json_in_parts
from relaytrack.trackers.identities.types import Floats, TrackKey


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
    write_people(
        folder,
        cameras,
        lambda: sorted(groups.items()),  # by identity: no two are alike
        pictures=pictures,
        clock_zero=clock_zero,
        colors=colors,
    )


def write_people(
    folder: Path,
    cameras: Mapping[str, CameraRecord],
    people: Callable[[], Iterable[tuple[int, Sequence[TrackRecord]]]],
    *,
    pictures: bool = True,
    clock_zero: float | None = None,
    colors: IdentityColors | None = None,
    embeddings: Mapping[TrackKey, Floats] | None = None,
) -> None:
    """`write_identities` for tracks that need not be in memory all at once.

    Args:
        folder: as of `write_identities`, like the rest.
        cameras: as there.
        people: gives every identity with its tracks, in ascending order; called twice where there are embeddings.
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
    people: Callable[[], Iterable[tuple[int, Sequence[TrackRecord]]]], embeddings: Mapping[TrackKey, Floats]
) -> Callable[[int, Sequence[TrackRecord]], Grounds]:
    """What tells an identity's grounds: by the embeddings where there are some, else by the tracks alone."""

    def tracks(records: Sequence[TrackRecord]) -> list[tuple[TrackKey, bool]]:
        """Those that are compared, and of the others what tells the state: one that was corrected, or two."""
        own = [((one.camera, one.track), bool(one.former)) for one in records]
        bare = sorted((one for one in own if one[0] not in embeddings), key=lambda one: not one[1])
        return [one for one in own if one[0] in embeddings] + bare[:2]

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


def _identity(identity: int, records: Sequence[TrackRecord], color: Rgb, grounds: Grounds) -> dict[str, Any]:
    records = sorted(records, key=lambda record: (record.first, record.camera, record.track))
    crops = [crop for record in records for crop in record.crops]
    best = max(crops, key=lambda crop: float(crop["quality"]), default=None)
    return {
        "id": identity,
        "color": list(color),
        "cameras": sorted({record.camera for record in records}),
        "first": min(record.first for record in records),
        "last": max(record.last for record in records),
        "frames": sum(record.frames for record in records),
        "crop": best["file"] if best else None,
        "grounds": asdict(grounds),
        "tracks": (asdict(record) for record in records),  # thousands, of somebody who is always there
    }
