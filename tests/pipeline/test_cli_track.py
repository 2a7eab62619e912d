"""Caches of detections and `relaytrack track` on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.cli.main import main
from pipeline.detection_cache import DetectionCache, read_cache, write_cache
from pipeline.errors import RelayTrackError
from pipeline.offline import track_cache
from trackers import DeepSort
from trackers.evaluation import evaluate, read_mot, rows_from_arrays

FRAMES = 30


def walk(embeddings: bool = True, clock: bool = True) -> DetectionCache:
    """Two people crossing a picture, nobody in frame 5, one person without an embedding in frame 7."""
    number = np.repeat(np.arange(1, FRAMES + 1), 2)
    person = np.tile([0, 1], FRAMES)
    left = np.where(person == 0, 10.0 + 4 * number, 500.0 - 4 * number)
    xyxy = np.c_[left, 50 + 120 * person, left + 40, 150 + 120 * person].astype(np.float32)
    vectors = np.eye(8, dtype=np.float32)[person]
    vectors[(number == 7) & (person == 1)] = np.nan
    keep = number != 5
    return DetectionCache(
        number[keep].astype(np.int64),
        xyxy[keep],
        np.full(int(keep.sum()), 0.9, np.float32),
        vectors[keep] if embeddings else None,
        np.arange(FRAMES) / 10 if clock else None,
        (640, 480),
    )


@pytest.mark.parametrize("embeddings", [True, False])
def test_cache_round_trip(tmp_path: Path, embeddings: bool) -> None:
    cache = walk(embeddings)
    write_cache(tmp_path / "c.npz", cache)
    again = read_cache(tmp_path / "c.npz")
    np.testing.assert_array_equal(again.frames, cache.frames)
    np.testing.assert_array_equal(again.xyxy, cache.xyxy)
    np.testing.assert_array_equal(again.clock(None), np.arange(FRAMES) / 10)
    assert (again.size, again.length, len(again)) == ((640, 480), FRAMES, 58)
    if embeddings:
        assert again.embeddings is not None
        np.testing.assert_allclose(again.embeddings, cache.embeddings, atol=1e-3)
    else:
        assert again.embeddings is None


def test_quantised_unsorted_cache(tmp_path: Path) -> None:
    """int8 embeddings times their scale become unit vectors; rows in any order are sorted by frame."""
    np.savez(
        tmp_path / "c.npz",
        frame=np.array([3, 1], np.int32),
        xyxy=np.array([[1, 1, 2, 2], [3, 3, 4, 4]], np.float32),
        conf=np.array([0.5, 0.6], np.float32),
        emb=np.array([[30, 40], [0, 7]], np.int8),
        scale=np.array([0.02, 0.1], np.float16),
    )
    cache = read_cache(tmp_path / "c.npz")
    assert cache.frames.tolist() == [1, 3]
    assert cache.embeddings is not None
    np.testing.assert_allclose(cache.embeddings, [[0, 1], [0.6, 0.8]], atol=1e-6)
    assert [rows.stop - rows.start for rows in cache.per_frame()] == [1, 0, 1]
    with pytest.raises(RelayTrackError, match="no clock"):
        cache.clock(None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conf": None}, "no array 'conf'"),
        ({"conf": np.ones(3)}, "do not fit together"),
        ({"emb": np.ones((3, 4))}, "emb has shape"),
        ({"frame": np.array([0, 1])}, "frame numbers run from 0 to 1"),
        ({"times": np.zeros(1)}, "times has shape"),
        ({"times": np.array([1.0, 0.0])}, "must not go backwards"),
        ({"size": np.array([1])}, "size must be width and height"),
        ({"xyxy": np.array([["a"] * 4] * 2)}, "not made of numbers"),
    ],
)
def test_malformed_caches(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    arrays: dict[str, Any] = {"frame": np.array([1, 2]), "xyxy": np.ones((2, 4)), "conf": np.ones(2)} | change
    np.savez(tmp_path / "c.npz", **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(RelayTrackError, match=said) as caught:
        read_cache(tmp_path / "c.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'c.npz'}: ")


def test_files_that_are_no_caches(tmp_path: Path) -> None:
    with pytest.raises(RelayTrackError, match="no such file"):
        read_cache(tmp_path / "c.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04" + bytes(40))
    for name in ("one.npy", "text.npz", "cut.npz"):
        with pytest.raises(RelayTrackError, match="not a cache of detections"):
            read_cache(tmp_path / name)


def test_track_from_a_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cache(tmp_path / "c.npz", walk())
    assert main(["track", "--cache", str(tmp_path / "c.npz"), "--out", str(tmp_path / "r.txt")]) == 0
    assert "2 tracks" in capsys.readouterr().err
    plain = read_mot(tmp_path / "r.txt")
    assert (plain.frames.min(), plain.frames.max()) == (3, FRAMES)
    assert len(np.unique(plain.ids)) == 2
    assert 5 not in plain.frames
    words = ["track", "--cache", str(tmp_path / "c.npz"), "--out", str(tmp_path / "r.txt")]
    assert main([*words, "--backfill", "--coasting"]) == 0
    full = read_mot(tmp_path / "r.txt")
    assert np.unique(full.frames).tolist() == list(range(1, FRAMES + 1))
    assert main([*words, "--classic", "--fps", "10"]) == 0
    assert len(np.unique(read_mot(tmp_path / "r.txt").ids)) == 2


def test_offline_tracking_flags_coasting_rows() -> None:
    cache = walk()
    found = track_cache(cache, DeepSort(report_coasting=True), fps=10)
    assert found.rows.frames[found.coasting].tolist() == [5, 5]
    assert len(found.seconds) == FRAMES
    truth = rows_from_arrays(cache.frames, np.tile([1, 2], FRAMES - 1), cache.xyxy)
    from trackers.evaluation import GroundTruth

    scores = evaluate(GroundTruth("walk", truth, FRAMES, "MOT15"), track_cache(cache, DeepSort(), backfill=True).rows)
    assert (scores.idf1, scores.switches) == (1, 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cache", "bare.npz"], "bare.npz: this cache has no clock: give --fps"),
        (["--cache", "bare.npz", "--fps", "0"], "--fps must be above 0"),
        (["--cache", "absent.npz"], "absent.npz: no such file"),
        (["--cache", "bare.npz", "--fps", "7", "--set", "tracker.max_aeg=1"], "unknown key 'max_aeg'"),
        (["--video", "absent.mp4"], "absent.mp4"),
        (["--frames", "absent"], "no such folder"),
        (["--video", "."], "is a folder"),
    ],
)
def test_bad_input(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cache("bare.npz", walk(clock=False))
    assert main(["track", *words, "--out", "r.txt"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("relaytrack: error: ")
    assert message.count("\n") == 1
    assert said in message
    assert not Path("r.txt").exists()


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cache(tmp_path / "c.npz", walk())
    assert main(["track", "--cache", str(tmp_path / "c.npz"), "--out", str(tmp_path / "no" / "r.txt")]) == 2
    assert "r.txt: cannot be written" in capsys.readouterr().err
    with pytest.raises(RelayTrackError, match="cannot be written"):
        write_cache(tmp_path / "no" / "c.npz", walk())
