"""Correcting a finished run by hand: merge people, split one, or forget somebody altogether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.postprocess.finished_run import FinishedRun, Progress, Videos, delete_videos, open_run, refresh
from relaytrack.pipeline.postprocess.forgetting import forget
from relaytrack.pipeline.postprocess.redraw import check_sources
from relaytrack.pipeline.postprocess.split_tracks import cut_tracks
from relaytrack.pipeline.results.correction_checks import seen_around, to_merge, to_split
from relaytrack.trackers.identities.types import TrackKey

__all__ = ["FinishedRun", "Videos", "forget", "merge", "open_run", "split", "split_at"]


def merge(
    run: FinishedRun, people: Sequence[int], *, videos: Videos = "redraw", progress: Progress | None = None
) -> int:
    """Make several people one, who keeps the first one's number.

    Returns:
        That number.

    Raises:
        InputError: an unknown number, or people who were in one camera at the same time.
        SourceError: a video cannot be drawn anew because its source is gone.
        OutputError: a file cannot be written, or another correction is at work there.
    """
    groups = to_merge(run.data.people, people)
    kept = next(iter(groups))
    ids = run.ids
    for group in groups.values():
        ids.update({(track.camera, track.track): kept for track in group})
    with run.alone():
        _apply(run, ids, videos, progress)
    return kept


def split(
    run: FinishedRun,
    person: int,
    tracks: Sequence[TrackKey],
    *,
    videos: Videos = "redraw",
    progress: Progress | None = None,
) -> int:
    """Give some tracks of a person a number of their own.

    Returns:
        The new number.

    Raises:
        InputError: an unknown number or track, or all tracks of the person.
        SourceError: a video cannot be drawn anew because its source is gone.
        OutputError: a file cannot be written, or another correction is at work there.
    """
    to_split(run.data.people, person, tracks)
    new = max(run.data.people) + 1
    with run.alone():
        _apply(run, run.ids | dict.fromkeys(tracks, new), videos, progress)
    return new


def split_at(
    run: FinishedRun, person: int, time: float, *, videos: Videos = "redraw", progress: Progress | None = None
) -> int:
    """Give a person a new number from a moment on; tracks that go across it are cut in two.

    Args:
        run: a finished run.
        person: the number so far.
        time: seconds of the run's clock.
        videos: draw them anew, or delete those that would be wrong.
        progress: told the share that is done.

    Returns:
        The new number.

    Raises:
        InputError: an unknown number, or a moment before or after all that is seen of the person.
        SourceError: a video cannot be drawn anew because its source is gone; nothing was changed.
    """
    tracks = seen_around(run.data.people, person, time)
    across = [track for track in tracks if track.first < time <= track.last]
    late = [(track.camera, track.track) for track in tracks if track.first >= time]
    with run.alone():
        if across:
            if run.config.output.video and videos == "redraw":
                check_sources(run.config, {track.camera for track in tracks})
            late += cut_tracks(run.folder, run.data, across, time)
            run = open_run(run.folder)
        return split(run, person, late, videos=videos, progress=progress)


def _apply(run: FinishedRun, ids: Mapping[TrackKey, int], videos: Videos, progress: Progress | None) -> None:
    config = run.config
    drawn = config.output.video and videos == "redraw"
    output = config.output.model_copy(update={"video": drawn})
    finalize(config.model_copy(update={"output": output}), ids, progress=progress, kind="manual")
    if not drawn:
        delete_videos(run, [*(camera.name for camera in config.cameras), "mosaic"])
    refresh(run.folder, run.config)
