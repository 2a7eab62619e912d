"""A picture of the ids that each annotated person had over time; switches are marked.

One line per person and camera. Needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import MissingDependencyError, TrackerInputError
from relaytrack.trackers.evaluation.evaluate import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart by colour-blind readers too.
RIGHT, FRAGMENT, STOLEN, MISSED, SWITCH = "#0072B2", "#E69F00", "#CC79A7", "#DDDDDD", "#000000"
LINE_HEIGHT = 0.17


@dataclass(frozen=True, slots=True)
class PersonRow:
    """The time-line of one person in one camera.

    Attributes:
        camera: index of the camera; gt_id: the person.
        present: (P, 2) first and last frame of each stretch in which the person is annotated.
        bars: (B, 3) first frame, last frame and track id of each stretch under one id.
        switches: (S,) the frames in which the id changed.
    """

    camera: int
    gt_id: int
    present: NDArray[np.int64]
    bars: NDArray[np.int64]
    switches: NDArray[np.int64]


def person_rows(evaluation: Evaluation) -> list[PersonRow]:
    """One row per person and camera, in order of first appearance; a person's cameras stay together."""
    overlaps, matches = evaluation.overlaps, evaluation.matches
    counts = [len(frame.gt) for frame in overlaps.frames]
    camera = np.repeat([frame.camera for frame in overlaps.frames], counts)
    number = np.repeat([frame.frame for frame in overlaps.frames], counts)
    who = np.concatenate([np.zeros(0, np.int64), *(overlaps.gt_ids[frame.gt] for frame in overlaps.frames)])
    moved = np.array([(one.camera, one.gt_id, one.frame) for one in evaluation.switches], np.int64)
    moved = moved.reshape(-1, 3)
    rows = []
    for person, eye in sorted(set(zip(who.tolist(), camera.tolist(), strict=True))):
        here = (who == person) & (camera == eye)
        seen = (matches.gt_ids == person) & (matches.cameras == eye)
        rows.append(
            PersonRow(
                eye,
                person,
                _stretches(number[here], np.zeros(int(here.sum()), np.int64))[:, :2],
                _stretches(matches.frames[seen], matches.track_ids[seen]),
                moved[(moved[:, 0] == eye) & (moved[:, 1] == person), 2],
            )
        )
    first: dict[int, int] = {}
    for row in rows:
        begin = int(row.present[0, 0])
        first[row.gt_id] = min(first.get(row.gt_id, begin), begin)
    return sorted(rows, key=lambda row: (first[row.gt_id], row.gt_id, row.camera))


def draw_timelines(
    evaluation: Evaluation, *, title: str, cameras: Sequence[str] = (), frame_rate: float | None = None
) -> Figure:
    """Draw the time-lines.

    Blue is the track that stands for this person in IDF1's one-to-one map, orange another track of the same
    person, purple a track that stands for somebody else; grey is a person present without a match; a triangle
    marks each identity switch. Numbers are track ids.

    Args:
        evaluation: from `evaluate_in_detail` or `evaluate_global`.
        title: stands above the picture.
        cameras: names of the cameras of a global evaluation.
        frame_rate: adds an axis in seconds.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch
    except ImportError:
        raise MissingDependencyError("plots need matplotlib: pip install 'relaytrack[train]'") from None

    rows = person_rows(evaluation)
    last = max((int(row.present[-1, 1]) for row in rows), default=1)
    height = 1.6 + LINE_HEIGHT * max(len(rows), 4)
    figure = Figure(figsize=(14, height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for y, row in enumerate(rows):
        axes.broken_barh(_spans(row.present), (y - 0.36, 0.72), facecolors=MISSED)
        tracks = row.bars[:, 2]
        owners = [evaluation.owners.get(track) for track in tracks.tolist()]
        colours = [RIGHT if o == row.gt_id else FRAGMENT if o is None else STOLEN for o in owners]
        axes.broken_barh(_spans(row.bars), (y - 0.36, 0.72), facecolors=colours)
        _label_tracks(axes, y, row, last)
        if cameras and y and row.gt_id != rows[y - 1].gt_id:
            axes.axhline(y - 0.5, color="#BBBBBB", linewidth=0.5, zorder=0)
        if len(row.switches):
            axes.plot(row.switches, np.full(len(row.switches), y - 0.3), "v", color=SWITCH, markersize=4)
    names = [f"{row.gt_id} {cameras[row.camera]}" if cameras else f"{row.gt_id}" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.set_ylim(len(rows) - 0.3, -0.9)
    axes.set_xlim(1 - 0.005 * last, last * 1.005 + 1)
    axes.set_xlabel("frame")
    axes.set_ylabel("person (ground truth id)")
    axes.spines[["top", "right"]].set_visible(False)
    if frame_rate:
        seconds = axes.secondary_xaxis("top", functions=_frames_and_seconds(frame_rate))
        seconds.set_xlabel("seconds")
    scores = evaluation.scores
    within = " within cameras" if cameras else ""
    figure.suptitle(
        f"{title}: HOTA {100 * scores.hota:.1f}, IDF1 {100 * scores.idf1:.1f}, {scores.switches} switches{within}",
        fontsize=12,
    )
    axes.legend(
        handles=[
            Patch(color=RIGHT, label="its own track"),
            Patch(color=FRAGMENT, label="another track"),
            Patch(color=STOLEN, label="somebody else's track"),
            Patch(color=MISSED, label="present, not tracked"),
            Line2D([], [], color=SWITCH, marker="v", linestyle="", markersize=5, label="identity switch"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.45 / (LINE_HEIGHT * max(len(rows), 4))),
        ncols=5,
        frameon=False,
        fontsize=8,
    )
    return figure


def save_timelines(
    path: str | Path,
    evaluation: Evaluation,
    *,
    title: str,
    cameras: Sequence[str] = (),
    frame_rate: float | None = None,
) -> None:
    """Draw and write a picture; the format follows the file's ending (png, svg, pdf).

    Raises:
        TrackerInputError: the file cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    figure = draw_timelines(evaluation, title=title, cameras=cameras, frame_rate=frame_rate)
    try:
        figure.savefig(path)
    except OSError as error:
        raise TrackerInputError(f"{path}: cannot be written: {error.strerror}") from None


def _stretches(frames: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Runs of consecutive frames with one value, (K, 3): first, last, value; `frames` ascend."""
    if not len(frames):
        return np.zeros((0, 3), np.int64)
    cut = np.flatnonzero((np.diff(frames) > 1) | (np.diff(values) != 0))
    begin, end = np.r_[0, cut + 1], np.r_[cut, len(frames) - 1]
    return np.stack([frames[begin], frames[end], values[begin]], axis=1)


def _spans(stretches: NDArray[np.int64]) -> list[tuple[float, float]]:
    """What `broken_barh` takes: (begin, width), a frame being as wide as 1."""
    return [(row[0] - 0.5, row[1] - row[0] + 1) for row in stretches.tolist()]


def _frames_and_seconds(rate: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The two directions between frame numbers and seconds, for whatever arrays matplotlib passes."""
    return (lambda frame: (frame - 1) / rate), (lambda second: second * rate + 1)


def _label_tracks(axes: Any, y: int, row: PersonRow, last: int) -> None:
    """Write the track id once per run of one id, in the first bar that is wide enough to hold it."""
    said = -1
    for begin, end, track in row.bars.tolist():
        if track != said and end - begin + 1 >= 0.006 * last * (len(str(track)) + 1):
            axes.text(begin + 0.002 * last, y, str(track), fontsize=5.5, va="center", color="white")
            said = track
