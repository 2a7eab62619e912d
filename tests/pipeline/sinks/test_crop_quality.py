"""How well a box shows its person, in the light of the last seconds."""

from __future__ import annotations

import statistics
from collections import defaultdict

import numpy as np

from relaytrack.pipeline.records import FrameInfo, FrameTracks
from relaytrack.pipeline.sinks.crop_quality import CropJudge, crop_quality


def frame_of(time: float, people: dict[int, float]) -> FrameTracks:
    """A frame in which each track stands alone and has a height."""
    ids = np.array(list(people), np.int64)
    left = 200.0 * ids
    heights = np.array([people[track] for track in people])
    boxes = np.stack([left, np.full(len(ids), 10.0), left + 40, 10 + heights], axis=1).astype(np.float32)
    return FrameTracks(FrameInfo("a", 1, time, (4000, 600)), ids, ids, boxes, np.full(len(ids), 0.9, np.float32))


def test_a_box_is_judged_by_the_median_height_of_its_track() -> None:
    """By the definition, over tracks that come, go and come again."""
    random = np.random.default_rng(4)
    judge = CropJudge()
    seen: dict[int, list[tuple[float, float]]] = defaultdict(list)
    compared = 0
    for number in range(150):
        time = number / 5
        people = {track: float(random.uniform(80, 160)) for track in range(1, 9) if random.random() < 0.97}
        tracks = frame_of(time, people)
        found = judge.judge(tracks)
        gone = {track for track, rows in seen.items() if rows[-1][0] < time - 2.0 - 1e-9 and track not in people}
        for track in gone:
            del seen[track]
        for row, track in enumerate(people):
            height = float(tracks.xyxy[row, 3] - tracks.xyxy[row, 1])
            seen[track] = [one for one in seen[track] if one[0] >= time - 4.0] + [(time, height)]
            if len(seen[track]) >= 5:
                usual = statistics.median(tall for _, tall in seen[track])
                expected = crop_quality(tracks)[row] * np.exp(-((np.log(height / usual) / 0.15) ** 2))
                assert found[row] == np.float32(expected)
                compared += 1
    assert compared > 800


def test_nobody_is_judged_without_harm() -> None:
    assert CropJudge().judge(frame_of(0.0, {})).shape == (0,)
