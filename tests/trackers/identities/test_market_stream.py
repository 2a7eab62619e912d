"""Market-1501 as a stream."""

import numpy as np
import pytest

from relaytrack.trackers import IdentityAssociator
from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.benchmarks.market_stream import confusions, market_stream, replay, score

NAMES = [
    "0002_c1s1_000100_00.jpg",
    "0002_c1s1_000200_00.jpg",  # 100 frames later: the same tracklet
    "0002_c1s1_000301_00.jpg",  # 101 frames: another one
    "query/0002_c2s1_000150_00.jpg",
    "0007_c1s1_000150_00.jpg",
    "0007_c1s2_000001_00.jpg",
    "-1_c1s1_000150_00.jpg",
    "0000_c1s1_000150_00.jpg",
]


def test_names_become_tracklets_in_time_order():
    stream = market_stream(NAMES)
    assert len(stream.name) == 6
    assert len(np.unique(stream.tracklet)) == 5
    assert stream.sequence.tolist() == [1, 1, 1, 1, 1, 2]
    assert (np.diff(stream.seconds) >= 0).all()
    named = dict(zip(stream.name.tolist(), stream.tracklet.tolist(), strict=True))
    assert named[0] == named[1] != named[2]


def test_other_names_are_refused():
    with pytest.raises(TrackerInputError, match="holiday"):
        market_stream(["holiday.jpg"])
    with pytest.raises(TrackerInputError, match="no image"):
        market_stream(NAMES[6:])


def test_scores_of_the_perfect_and_of_worse():
    stream = market_stream(NAMES)
    perfect = score(stream, stream.person)
    assert (perfect.idf1, perfect.bcubed, perfect.made, perfect.people) == (1, 1, 2, 2)
    merged = score(stream, np.ones(6, np.int64))
    assert merged.idf1 == pytest.approx(4 / 6)
    assert merged.precision == pytest.approx((16 + 4) / 36)
    assert confusions(stream, np.ones(6, np.int64), 5) == [{"identity": 1, "people": {2: 4, 7: 2}}]
    assert confusions(stream, stream.person, 5) == []


def test_replay_associates_clear_looks():
    looks = np.eye(8, dtype=np.float32)[[0, 0, 0, 0, 1, 1, 2, 3]]
    stream = market_stream(NAMES)
    final, shown, took = replay(stream, looks, IdentityAssociator(return_ratio=1.0))
    assert score(stream, final, took).idf1 == 1
    assert len(shown) == 6
    assert took > 0
