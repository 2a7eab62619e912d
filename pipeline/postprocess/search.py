"""Find a person of a picture in a finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from relaytrack.pipeline.errors import InputError, OutputError
from relaytrack.pipeline.identity.network_mark import mark_of, same_network
from relaytrack.pipeline.palette import ink_on
from relaytrack.pipeline.records import Floats, Image
from relaytrack.pipeline.render.labels import blend, pill
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, read_marked_embeddings
from relaytrack.pipeline.results.folder import write_bytes
from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.single_file import check_folder
from relaytrack.reid import pictures
from relaytrack.reid.outputs import reads_itself

Embed = Callable[[Sequence[Image]], Floats]
"""People's pictures (uint8 RGB) to (N, D) unit vectors; `reid.Embedder` is one."""


@dataclass(frozen=True, slots=True)
class Match:
    """One track that looks like the person asked for.

    Attributes:
        rank: 1 is the best.
        similarity: cosine of the picture's and the track's embeddings, -1..1.
        identity: the person's number in the run.
        camera: where.
        track: the camera's own track id.
        first: seconds of the run's clock.
        last: seconds of the run's clock.
        crop: the track's best picture, a file below the run's folder, or None.
    """

    rank: int
    similarity: float
    identity: int
    camera: str
    track: int
    first: float
    last: float
    crop: str | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def search(folder: Path, picture: Image, embed: Embed, *, top: int = 10) -> list[Match]:
    """Rank the tracks of a run by how much they look like a person.

    Args:
        folder: the run's output folder.
        picture: (H, W, 3) uint8 RGB, one person that fills it.
        embed: the network that the run used.
        top: matches at the most.

    Raises:
        InputError: no run, a run without embeddings, or one made with another network.
    """
    data = load_run(folder)
    path = folder / EMBEDDINGS
    if not path.exists():
        raise InputError(f"{folder}: this run kept no embeddings to search in")
    keys, known, network = read_marked_embeddings(path)
    query = np.asarray(embed([picture]), np.float32)[0]
    if query.shape[0] != known.shape[1]:
        raise InputError(
            f"{path}: embeddings of {known.shape[1]} numbers, the network makes {query.shape[0]}: use the run's weights"
        )
    if not same_network(network, mark_of(embed)):
        raise InputError(f"{path}: the embeddings were made by other weights than these: use the run's weights")
    records = {
        (track.camera, track.track): (identity, track) for identity, found in data.people.items() for track in found
    }
    similar = known @ query
    matches: list[Match] = []
    for row in np.argsort(-similar, kind="stable").tolist():
        entry = records.get(keys[row])
        if entry is not None and len(matches) < top:
            matches.append(_match(len(matches) + 1, float(similar[row]), *entry))
    return matches


def _match(rank: int, similarity: float, identity: int, track: TrackRecord) -> Match:
    best = track.best_crop
    crop = None if best is None else str(best["file"])
    return Match(rank, round(similarity, 4), identity, track.camera, track.track, track.first, track.last, crop)


def read_picture(path: Path) -> Image:
    """Read a picture file as uint8 RGB.

    Raises:
        InputError: it is not there or not a picture.
    """
    try:
        return pictures.read_picture(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except pictures.PictureError as error:
        raise InputError(f"{path}: {error}") from error


def contact_sheet(folder: Path, picture: Image, matches: Sequence[Match], *, columns: int = 6) -> Image:
    """The picture asked for and the matches in one picture, with who, where, when and how alike."""
    width, height, text, gap = 120, 240, 46, 10
    rows = -(-(len(matches) + 1) // columns)
    columns = min(columns, len(matches) + 1)
    sheet = np.full((rows * (height + text + gap) + gap, columns * (width + gap) + gap, 3), 246, np.uint8)
    data = load_run(folder)
    for number in range(len(matches) + 1):
        x, y = gap + number % columns * (width + gap), gap + number // columns * (height + text + gap)
        match = matches[number - 1] if number else None
        shown: Image | None = picture
        if match is not None:
            shown = None if match.crop is None else read_picture(folder / match.crop)
        _place(sheet[y : y + height, x : x + width], shown)
        _caption(sheet, data, match, x, y + height + 4)
    return sheet


def _place(cell: Image, picture: Image | None) -> None:
    """Fit a picture into a cell, in place."""
    cell[:] = 228
    if picture is None:
        return
    scale = min(cell.shape[1] / picture.shape[1], cell.shape[0] / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    fitted = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (cell.shape[1] - size[0]) // 2, (cell.shape[0] - size[1]) // 2
    cell[top : top + size[1], left : left + size[0]] = fitted


def _caption(sheet: Image, data: RunData, match: Match | None, x: int, y: int) -> None:
    paper, ink, quiet = (246, 246, 246), (22, 25, 31), (90, 99, 114)
    if match is None:
        blend(sheet, pill("asked for", 14, paper, ink), x - 4, y)
        return
    color = data.colors.of(match.identity)
    chip = pill(str(match.identity), 14, color, ink_on(color))
    blend(sheet, chip, x, y)
    blend(sheet, pill(f"{match.similarity:.2f}", 14, paper, ink), x + chip.size[0] + 2, y)
    where = f"{match.camera}  {data.moment(match.first)}"
    blend(sheet, pill(where, 12, paper, quiet), x - 4, y + chip.size[1] + 4)


def check_sheet(path: Path, picture: Path | None = None) -> None:
    """Refuse a contact sheet that could not be written after the search, or would be written over its `picture`.

    Raises:
        InputError: the name does not end in .png or .jpg.
        OutputError: it is the picture or a folder, or no file can be made beside it.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"{path}: a contact sheet is a .png or .jpg")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    wrong = reads_itself(path, (picture,))
    if wrong is not None:
        raise OutputError(wrong)
    check_folder(path.parent)


def write_sheet(path: Path, sheet: Image) -> None:
    """Write a contact sheet as PNG or JPEG, by the file's ending, readable by its owner only.

    Raises:
        InputError, OutputError: as of `check_sheet`, or the disk is full.
    """
    check_sheet(path)
    _, data = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(sheet[..., ::-1]))
    write_bytes(path, data.tobytes())


def as_table(data: RunData, matches: Sequence[Match]) -> list[str]:
    """The matches as lines of text, with a heading."""
    lines = ["rank  similarity  identity  camera            from        to"]
    lines += [
        f"{match.rank:4d}  {match.similarity:10.3f}  {match.identity:8d}  {match.camera:<16s}  "
        f"{data.moment(match.first):<10s}  {data.moment(match.last)}"
        for match in matches
    ]
    return lines


__all__ = ["Match", "as_table", "check_sheet", "contact_sheet", "read_picture", "search", "write_sheet"]
