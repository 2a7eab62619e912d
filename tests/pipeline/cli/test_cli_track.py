"""Caches of detections and `relaytrack track` on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.replay.detection_cache import DetectionCache, read_cache, write_cache
from relaytrack.pipeline.replay.track import track_cache
from relaytrack.pipeline.results.single_file import check_single_file
from relaytrack.trackers import DeepSort
from relaytrack.trackers.evaluation import evaluate, read_mot, rows_from_arrays

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
    assert main([*words, "--refine"]) == 0
    refined = read_mot(tmp_path / "r.txt")
    assert np.unique(refined.frames).tolist() == list(range(1, FRAMES + 1))
    between = refined.xywh[refined.frames == 5], refined.xywh[np.isin(refined.frames, [4, 6])].reshape(2, 2, 4)
    np.testing.assert_allclose(between[0], between[1].mean(axis=0), atol=0.02)
    assert main([*words, "--classic", "--fps", "10"]) == 0
    assert len(np.unique(read_mot(tmp_path / "r.txt").ids)) == 2


def test_offline_tracking_flags_coasting_rows() -> None:
    cache = walk()
    found = track_cache(cache, DeepSort(report_coasting=True), fps=10)
    assert found.rows.frames[found.coasting].tolist() == [5, 5]
    assert len(found.seconds) == FRAMES
    truth = rows_from_arrays(cache.frames, np.tile([1, 2], FRAMES - 1), cache.xyxy)
    from relaytrack.trackers.evaluation import GroundTruth

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
        (["--video", "absent.mp4", "--fps", "7"], "a video has its own clock"),
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


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 12 pictures in which two patches move, and a det.txt that knows where; nobody in frame 4."""
    import cv2

    folder = tmp_path / "walk" / "img1"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 255, (2, 80, 30, 3), np.uint8)
    lines = []
    for frame in range(1, 13):
        picture = np.full((120, 200, 3), 90, np.uint8)
        for person, left in enumerate((5 + 4 * frame, 160 - 4 * frame)):
            if frame == 4:
                continue
            top = 10 + 20 * person
            picture[top : top + 80, left : left + 30] = looks[person]
            lines.append(f"{frame},-1,{left},{top},30,80,0.9\n")
        cv2.imwrite(str(folder / f"{frame:06d}.jpg"), picture)
    (tmp_path / "det.txt").write_text("".join(lines))
    return tmp_path / "walk"


@pytest.mark.parametrize("name", ["a #b.onnx", "a: b.onnx", "[a].onnx", "5"])
def test_weights_of_a_cache_are_a_path_as_it_is(
    pictures: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: the path was read as YAML, and cut where a comment would begin."""
    for option in ("--detector-weights", "--embedder-weights"):
        words = ["cache", "--frames", str(pictures), "--fps", "5", "--out", str(tmp_path / "c.npz")]
        assert main([*words, option, f"none/{name}"]) == 2
        assert f"none/{name}" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["track", "cache"])
@pytest.mark.parametrize("out", [".", "no/r.out", "fixed/r.out"])
def test_an_output_that_cannot_be_written_is_found_before_the_networks_load(
    pictures: Path,
    command: str,
    out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fixed").write_text("a file where a folder is wanted")
    monkeypatch.setattr("relaytrack.pipeline.replay.observe.Observer", None)
    assert main([command, "--frames", str(pictures), "--fps", "5", "--out", out]) == 2
    message = capsys.readouterr().err
    assert f"{out}: cannot be written" in message
    assert message.count("\n") == 1


def test_looking_at_the_output_changes_nothing(tmp_path: Path) -> None:
    check_single_file(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").write_text("kept")
    check_single_file(tmp_path / "old")
    assert (tmp_path / "old").read_text() == "kept"


def test_a_device_is_no_cache() -> None:
    """Fault: reading one took half a minute and all memory."""
    with pytest.raises(RelayTrackError, match="no file, but a folder, a pipe or a device"):
        read_cache("/dev/zero")


def test_cache_and_track_from_pictures(pictures: Path) -> None:
    """The cache holds what the detector said and the pictures' clock; tracking it equals tracking the pictures."""
    folder = pictures.parent
    source = ["--frames", str(pictures), "--fps", "10", "--detections", str(folder / "det.txt")]
    assert main(["cache", *source, "--no-embeddings", "--out", str(folder / "c.npz")]) == 0
    cache = read_cache(folder / "c.npz")
    assert (len(cache), cache.length, cache.size, cache.embeddings) == (22, 12, (200, 120), None)
    np.testing.assert_allclose(cache.clock(None), np.arange(12) / 10, atol=1e-9)
    np.testing.assert_array_equal(cache.xyxy[cache.frames == 1], [[9, 10, 39, 90], [156, 30, 186, 110]])
    assert main(["track", *source, "--motion-only", "--out", str(folder / "direct.txt")]) == 0
    assert main(["track", "--cache", str(folder / "c.npz"), "--out", str(folder / "again.txt")]) == 0
    assert (folder / "direct.txt").read_bytes() == (folder / "again.txt").read_bytes()
    assert len(read_mot(folder / "again.txt")) > 10


@pytest.mark.needs("shared")
def test_boxes_are_embedded_anew(pictures: Path, shared: Path) -> None:
    """`cache --boxes` keeps the detections and adds the vectors of the given network: alike within a person."""
    folder = pictures.parent
    source = ["cache", "--frames", str(pictures), "--fps", "10"]
    plain, full = str(folder / "plain.npz"), str(folder / "full.npz")
    assert main([*source, "--detections", str(folder / "det.txt"), "--no-embeddings", "--out", plain]) == 0
    weights = str(shared / "models" / "osnet_x0_25_msmt17.onnx")
    assert main([*source, "--boxes", plain, "--embedder-weights", weights, "--out", full]) == 0
    cache, before = read_cache(full), read_cache(plain)
    np.testing.assert_array_equal(cache.xyxy, before.xyxy)
    assert cache.embeddings is not None
    assert cache.embeddings.shape == (22, 512)
    cosine = cache.embeddings @ cache.embeddings.T
    person = cache.xyxy[:, 1] > 20
    same = person[:, None] == person[None, :]
    assert cosine[same].min() > cosine[~same].max()
    assert main([*source, "--boxes", plain, "--no-embeddings", "--out", full]) == 2
