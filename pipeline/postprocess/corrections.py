"""Correcting a finished run by hand: merge people, split one, or forget somebody altogether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.postprocess.finished_run import (
    FinishedRun,
    Progress,
    TrackKey,
    Videos,
    delete_videos,
    open_run,
    refresh,
    tracks_of,
)
from relaytrack.pipeline.postprocess.forgetting import forget
from relaytrack.pipeline.postprocess.split_tracks import cut_tracks
from relaytrack.pipeline.results.correction_plan import check_not_together

__all__ = ["FinishedRun", "TrackKey", "Videos", "forget", "merge", "open_run", "split", "split_at"]


def merge(
    run: FinishedRun, people: Sequence[int], *, videos: Videos = "redraw", progress: Progress | None = None
) -> int:
    """Make several people one, who keeps the first one's number.

    Returns:
        That number.

    Raises:
        InputError: an unknown number, or people who were in one camera at the same time.
        SourceError: a video cannot be drawn anew because its source is gone.
    """
    if len(set(people)) < 2:
        raise InputError("merge needs at least two different people")
    groups = [tracks_of(run, person) for person in people]
    for number, group in enumerate(groups):
        for other in groups[number + 1 :]:
            check_not_together(group, other)
    ids = run.ids
    for group in groups[1:]:
        ids.update({(track.camera, track.track): people[0] for track in group})
    _apply(run, ids, videos, progress)
    return people[0]


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
    """
    own = {(track.camera, track.track) for track in tracks_of(run, person)}
    for key in tracks:
        if key not in own:
            raise InputError(f"track {key[0]}:{key[1]} is not one of person {person}")
    if not tracks or set(tracks) == own:
        raise InputError(f"split needs some but not all tracks of person {person}")
    new = max(run.data.people) + 1
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
        SourceError: a video cannot be drawn anew because its source is gone.
    """
    tracks = tracks_of(run, person)
    if not any(track.first < time for track in tracks) or not any(track.last >= time for track in tracks):
        seen = f"{min(track.first for track in tracks):.1f} to {max(track.last for track in tracks):.1f} s"
        raise InputError(f"person {person} is seen from {seen}: {time:g} s does not lie in between")
    across = [track for track in tracks if track.first < time <= track.last]
    late = [(track.camera, track.track) for track in tracks if track.first >= time]
    if across:
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
