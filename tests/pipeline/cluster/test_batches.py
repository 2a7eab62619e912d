"""The bytes that cross the network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.pipeline.benchmarks.tracklet_streams import CameraStream
from relaytrack.pipeline.cluster.answers import Answers, BatchAnswer
from relaytrack.pipeline.cluster.asked import AskedEmbeddings
from relaytrack.pipeline.cluster.batches import TrackletBatch, decode, decode_all, encode
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import FrameInfo
from relaytrack.trackers import Revision


def batch_of(count: int, dim: int, seed: int = 0, known: float = 1.0) -> TrackletBatch:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    vectors[rng.random(count) >= known] = np.nan
    boxes = rng.uniform(0, 4000, (count, 4)).astype(np.float32)
    scores = rng.random(count).astype(np.float32)
    ids = rng.permutation(100_000)[:count].astype(np.int64) + 1
    frame = FrameInfo("lobby-2", 77, 12.25, (1920, 1080), (16, 8))
    return TrackletBatch(9, TrackletMessage(frame, ids, boxes, scores, vectors))


@settings(deadline=None)
@given(st.integers(0, 40), st.sampled_from([0, 1, 8, 256, 512]), st.integers(0, 2**32), st.floats(0, 1))
def test_the_exact_form_changes_nothing(count: int, dim: int, seed: int, known: float) -> None:
    batch = batch_of(count, dim, seed, known)
    found, used = decode(data := encode(batch, "exact"))
    assert (used, found.sequence, found.message.frame) == (len(data), 9, batch.message.frame)
    for name in ("ids", "xyxy", "scores", "embeddings"):
        before, after = getattr(batch.message, name), getattr(found.message, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(("dim", "most"), [(256, 512), (512, 516)])
def test_a_compact_embedding_is_small_and_almost_the_same(dim: int, most: int) -> None:
    batch = batch_of(20, dim)
    found, _ = decode(data := encode(batch, "compact"))
    bare = len(encode(batch_of(20, 0), "compact"))
    assert (len(data) - bare) / 20 <= most <= 700
    cosines = (batch.message.embeddings * found.message.embeddings).sum(axis=1)
    assert cosines.min() > 0.999
    np.testing.assert_array_equal(batch.message.xyxy, found.message.xyxy)


@pytest.mark.parametrize("fps", [5.0, 10.0])
def test_a_person_takes_150_bytes_a_frame_at_the_most(fps: float) -> None:
    asked, bytes_, tracks, vectors = AskedEmbeddings(), 0, 0, 0
    for number, message in enumerate(CameraStream("lobby", people=8, fps=fps).messages(300)):
        chosen = asked.choose(message)
        bytes_ += len(encode(TrackletBatch(number + 1, chosen), "compact"))
        tracks += len(chosen.ids)
        vectors += int(np.isfinite(chosen.embeddings[:, 0]).sum())
    assert bytes_ / tracks <= 150
    assert vectors / tracks >= 0.12  # and it is not by sending none


def test_a_new_track_sends_its_looks_at_once_and_a_changed_one_soon() -> None:
    asked = AskedEmbeddings()
    looks = np.eye(8, dtype=np.float32)

    def sent(time: float, row: int) -> bool:
        frame = FrameInfo("a", 1, time, (64, 48))
        box, score = np.zeros((1, 4), np.float32), np.ones(1, np.float32)
        message = TrackletMessage(frame, np.array([5]), box, score, looks[row : row + 1])
        return bool(np.isfinite(asked.choose(message).embeddings).all())

    assert [sent(0.1 * n, 0) for n in range(3)] == [True, True, True]
    later = [sent(0.3 + 0.1 * n, 0) for n in range(20)]
    assert 3 <= sum(later) <= 6
    changed = [sent(2.5 + 0.1 * n, 1) for n in range(4)]
    assert any(changed[:3])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_damaged_bytes_are_refused_in_one_line(noise: bytes) -> None:
    data = encode(batch_of(3, 4), "compact")
    for damaged in (data[: len(data) // 2], b"\x07" + data[1:], noise + b"\x00"):
        with pytest.raises(InputError) as told:
            decode_all(damaged)
        assert "\n" not in str(told.value)


def test_answers_come_back_as_they_were() -> None:
    ids = np.array([3, 0, 4_000_000_000], np.int64)
    one = BatchAnswer("a", 1, ids, ids + 1 - 1)
    other = BatchAnswer("longer-name", 70_000, np.zeros(0, np.int64), np.zeros(0, np.int64))
    change = Revision("split", 3, 9, "a", 12, 4.5)
    scored = Revision("merge", 9, 3, "longer-name", 13, 5.25, -0.125)
    found = Answers.from_bytes(Answers(6, (one, other), (change, scored), {3: (1, 2, 255)}).to_bytes())
    assert (found.token, found.revisions, dict(found.colors)) == (6, (change, scored), {3: (1, 2, 255)})
    assert [(b.camera, b.sequence) for b in found.batches] == [("a", 1), ("longer-name", 70_000)]
    np.testing.assert_array_equal(found.batches[0].global_ids, ids)
