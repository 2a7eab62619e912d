"""Our metrics and preprocessing against TrackEval's, and against values worked out by hand."""

from __future__ import annotations

import contextlib
import io
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation import (
    BENCHMARKS,
    GroundTruth,
    MotRows,
    combine,
    evaluate,
    evaluate_global,
    evaluate_in_detail,
    read_ground_truth,
    read_mot,
    rows_from_arrays,
    write_mot,
)
from relaytrack.trackers.evaluation.overlaps import box_iou

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import trackeval


def reference(folder: Path, truth: GroundTruth, result: MotRows) -> dict[str, float]:
    """Score with TrackEval's own files, loader, preprocessing and metrics; percent."""
    length = truth.length or int(max(truth.rows.frames.max(initial=1), result.frames.max(initial=1)))
    (folder / "gt" / "s" / "gt").mkdir(parents=True)
    (folder / "tr" / "t" / "data").mkdir(parents=True)
    rows = truth.rows
    with open(folder / "gt" / "s" / "gt" / "gt.txt", "w") as out:
        for i in range(len(rows)):
            box = ",".join(repr(float(value)) for value in rows.xywh[i])
            kind = max(int(rows.classes[i]), 1)
            out.write(f"{rows.frames[i]},{rows.ids[i]},{box},{int(rows.scores[i])},{kind},1\n")
    with open(folder / "tr" / "t" / "data" / "s.txt", "w") as out:
        for i in range(len(result)):
            box = ",".join(repr(float(value)) for value in result.xywh[i])
            out.write(f"{result.frames[i]},{result.ids[i]},{box},1,-1,-1,-1\n")
    config = trackeval.datasets.MotChallenge2DBox.get_default_dataset_config()
    config |= {
        "GT_FOLDER": str(folder / "gt"),
        "TRACKERS_FOLDER": str(folder / "tr"),
        "BENCHMARK": truth.benchmark,
        "SKIP_SPLIT_FOL": True,
        "SEQ_INFO": {"s": length},
        "PRINT_CONFIG": False,
    }
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = trackeval.datasets.MotChallenge2DBox(config)
        data = data_set.get_preprocessed_seq_data(data_set.get_raw_seq_data("t", "s"), "pedestrian")
        metrics: dict[str, Any] = {}
        for metric in (trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(), trackeval.metrics.Identity()):
            metrics |= metric.eval_sequence(data)
    ratios = ["HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr", "MOTA", "MOTP"]
    found = {name: 100 * float(np.mean(metrics[name])) for name in [*ratios, "IDF1", "IDP", "IDR"]}
    found |= {name: float(metrics[name]) for name in ("IDSW", "Frag", "MT", "PT", "ML")}
    return found | {"TP": metrics["CLR_TP"], "FP": metrics["CLR_FP"], "FN": metrics["CLR_FN"]}


def scene(seed: int, benchmark: str, frames: int = 40, people: int = 8) -> tuple[GroundTruth, MotRows]:
    """People who walk, some of other classes or not to be scored, and a tracker that errs in every way."""
    rng = np.random.default_rng(seed)
    place, speed = rng.uniform(0, 300, (people, 2)), rng.normal(0, 4, (people, 2))
    kind = np.where(np.arange(people) < people // 2, 1, rng.integers(1, 14, people))
    gt, found = [], []
    for frame in range(1, frames + 1):
        place = place + speed
        for person in np.flatnonzero(rng.random(people) < 0.9):
            box = [*place[person], 40.0, 90.0]
            gt.append([frame, person + 1, *box, float(rng.random() < 0.95), kind[person]])
            if rng.random() < 0.85:
                noisy = np.array(box) + rng.normal(0, 5, 4)
                name = person + 1 if rng.random() < 0.9 else rng.integers(1, people + 1)
                found.append([frame, name + 20 * (frame // 15), *noisy])
        if rng.random() < 0.5:
            found.append([frame, 500 + frame, *rng.uniform(0, 300, 2), 40.0, 90.0])
    seen: dict[tuple[int, int], list[float]] = {(int(row[0]), int(row[1])): row for row in found}
    table, result = np.array(gt), np.array(list(seen.values()))
    classes = table[:, 7].astype(np.int64) if benchmark != "MOT15" else np.full(len(table), -1)
    columns = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:6], table[:, 6]
    truth = MotRows(*columns, classes, np.full(len(table), np.nan))
    corners = np.c_[result[:, 2:4], result[:, 2:4] + np.maximum(result[:, 4:6], 0)]
    return (
        GroundTruth("s", truth, frames, benchmark),  # type: ignore[arg-type]
        rows_from_arrays(result[:, 0], result[:, 1], corners),
    )


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("seed", range(3))
def test_equals_trackeval(tmp_path: Path, benchmark: str, seed: int) -> None:
    truth, result = scene(seed, benchmark)
    ours = evaluate(truth, result).as_dict()
    for name, value in reference(tmp_path, truth, result).items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


def test_preprocessing_differs_by_benchmark() -> None:
    found = {name: evaluate(*scene(1, name)).as_dict()["FP"] for name in BENCHMARKS}
    assert found["MOT16"] == found["MOT17"] >= found["MOT20"]
    crowd, _ = scene(1, "MOT20")
    crowd.rows.classes[crowd.rows.ids == 8] = 6
    on_vehicle = rows_from_arrays(
        crowd.rows.frames, crowd.rows.ids, np.c_[crowd.rows.xywh[:, :2], crowd.rows.xywh[:, :2] + [40, 90]]
    ).select(crowd.rows.ids == 8)
    in_2017 = GroundTruth("s", crowd.rows, crowd.length, "MOT17")
    assert evaluate(crowd, on_vehicle).as_dict()["FP"] == 0 < evaluate(in_2017, on_vehicle).as_dict()["FP"]


@pytest.mark.parametrize("which", ["gt", "result", "both"])
def test_nothing_there_scores_as_trackeval(tmp_path: Path, which: str) -> None:
    truth, result = scene(0, "MOT17")
    none = np.zeros(0, np.int64)
    if which in ("gt", "both"):
        truth = GroundTruth("s", truth.rows.select(none), 40, "MOT17")
    if which in ("result", "both"):
        result = result.select(none)
    ours = evaluate(truth, result).as_dict()
    for name, value in reference(tmp_path, truth, result).items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


def test_combination_equals_trackeval(tmp_path: Path) -> None:
    pairs = [scene(seed, "MOT17") for seed in (0, 1)]
    separate = [evaluate(*pair) for pair in pairs]
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.Identity({"PRINT_CONFIG": False})]
    ours = combine(separate).as_dict()
    assert ours["IDSW"] == sum(one.switches for one in separate)
    collected: list[dict[str, Any]] = [{}, {}]
    for index, (truth, result) in enumerate(pairs):
        frames = evaluate_in_detail(truth, result).overlaps
        data = {
            "gt_ids": [frame.gt for frame in frames.frames],
            "tracker_ids": [frame.tracks for frame in frames.frames],
            "similarity_scores": [frame.iou for frame in frames.frames],
            "num_gt_ids": len(frames.gt_ids),
            "num_tracker_ids": len(frames.track_ids),
            "num_gt_dets": int(frames.gt_counts.sum()),
            "num_tracker_dets": int(frames.track_counts.sum()),
        }
        for metric, store in zip(metrics, collected, strict=True):
            store[str(index)] = metric.eval_sequence(data)
    theirs = metrics[0].combine_sequences(collected[0]) | metrics[1].combine_sequences(collected[1])
    for name in ("HOTA", "DetA", "AssA", "LocA", "AssRe", "AssPr", "IDF1", "IDP", "IDR"):
        assert ours[name] == pytest.approx(100 * np.mean(theirs[name]), abs=1e-6), name


def straight(ids: list[int], frames: int = 10, x: float = 0.0) -> MotRows:
    """One person standing still, called by each of `ids` in turn."""
    number = np.arange(1, frames + 1)
    name = np.repeat(ids, -(-frames // len(ids)))[:frames]
    return rows_from_arrays(number, name, np.tile([x, 0, x + 40, 90], (frames, 1)))


def test_known_values() -> None:
    truth = GroundTruth("s", straight([1]), 10, "MOT15")
    whole, halved = evaluate(truth, straight([7])), evaluate_in_detail(truth, straight([7, 8]))
    assert (whole.hota, whole.idf1, whole.mota, whole.switches) == (1, 1, 1, 0)
    # Two tracks of five frames each: A(c) = 5 / 10 for every match, and one of them is the person in IDF1.
    assert halved.scores.hota == pytest.approx(np.sqrt(0.5))
    assert (halved.scores.idf1, halved.scores.mota, halved.scores.switches) == (0.5, 0.9, 1)
    assert [(one.frame, one.gt_id, one.old, one.new) for one in halved.switches] == [(6, 1, 7, 8)]


def test_global_identities() -> None:
    """A person with one id in both cameras is perfect; with another one per camera half of the boxes are wrong."""
    truth = GroundTruth("s", straight([1]), 10, "MOT15")
    same, per_camera = evaluate_global({"a": (truth, straight([4])), "b": (truth, straight([4]))})
    other, _ = evaluate_global({"a": (truth, straight([4])), "b": (truth, straight([5]))})
    assert (same.scores.idf1, same.scores.hota) == (1, 1)
    assert (other.scores.idf1, other.scores.gt_ids, other.scores.ids) == (0.5, 1, 2)
    assert other.scores.hota == pytest.approx(np.sqrt(0.5))
    assert [one.scores.idf1 for one in per_camera.values()] == [1, 1]


def test_global_equals_one_long_sequence(tmp_path: Path) -> None:
    """Two cameras are worth one sequence in which the second follows the first; TrackEval agrees."""
    pairs = {name: scene(seed, "MOT17") for name, seed in (("a", 3), ("b", 4))}
    whole, _ = evaluate_global(pairs)

    def joined(parts: list[MotRows]) -> MotRows:
        shift = [part.frames + 40 * number for number, part in enumerate(parts)]
        others = ("ids", "xywh", "scores", "classes", "visibility")
        return MotRows(
            np.concatenate(shift), *(np.concatenate([getattr(part, name) for part in parts]) for name in others)
        )

    truth = GroundTruth("s", joined([gt.rows for gt, _ in pairs.values()]), 80, "MOT17")
    result = joined([rows for _, rows in pairs.values()])
    theirs, ours = reference(tmp_path, truth, result), whole.scores.as_dict()
    for name in ("HOTA", "DetA", "AssA", "LocA", "AssRe", "AssPr", "IDF1", "IDP", "IDR"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-6), name
        assert evaluate(truth, result).as_dict()[name] == pytest.approx(ours[name], abs=1e-9), name


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_names_and_row_order_do_not_matter(seed: int) -> None:
    truth, result = scene(seed, "MOT17", frames=12, people=5)
    rng = np.random.default_rng(seed)
    names, order = rng.permutation(2000), rng.permutation(len(result))
    corners = np.c_[result.xywh[:, :2], result.xywh[:, :2] + result.xywh[:, 2:]]
    renamed = rows_from_arrays(result.frames[order], names[result.ids[order]], corners[order])
    a, b = evaluate(truth, result).as_dict(), evaluate(truth, renamed).as_dict()
    assert a == pytest.approx(b, abs=1e-9)


def test_iou_of_boxes_without_area() -> None:
    boxes = np.array([[0, 0, 0, 10], [0, 0, 10, 10.0]])
    assert box_iou(boxes, boxes).tolist() == [[0, 0], [0, 1]]


@pytest.mark.needs("shared")
@pytest.mark.parametrize("name", ["MOT17-04A", "PETS09-S2L1"])
def test_ground_truth_against_itself(shared: Path, tmp_path: Path, name: str) -> None:
    truth = read_ground_truth(shared / "data" / "mot" / name)
    assert (truth.benchmark, truth.length) == (("MOT17", 525) if "17" in name else ("MOT15", 795))
    scored = truth.rows.select(truth.rows.scores != 0)
    write_mot(tmp_path / "gt.txt", scored.select(np.isin(scored.classes, (-1, 1))))
    found = evaluate(truth, tmp_path / "gt.txt")
    assert found.mota == found.idf1 == 1
    assert found.hota == pytest.approx(1, abs=1e-3)


def test_memory_goes_with_the_pairs_that_meet() -> None:
    """A matrix of 10,000 people and 10,000 tracks takes 800 MB; with results of days it ended in a traceback."""
    count = 10_000
    xywh = np.tile([10.0, 10, 20, 40], (count, 1))
    frames = np.arange(1, count + 1)
    rows = rows_from_arrays(frames, frames, xyxy=np.c_[xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
    truth = GroundTruth("s", rows, None, "MOT15")
    tracemalloc.start()
    scores = evaluate(truth, rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores.as_dict()["HOTA"] == scores.as_dict()["IDF1"] == 100
    assert peak < 100e6


@pytest.mark.parametrize("column", range(2, 6))
def test_boxes_beyond_any_picture_are_refused(column: int, tmp_path: Path) -> None:
    """Their areas overflowed, with a warning of numpy's."""
    values = ["1", "1", "10", "10", "20", "40", "1"]
    values[column] = "1e300"
    (tmp_path / "r.txt").write_text(",".join(values) + "\n")
    with pytest.raises(TrackerInputError, match=rf"r\.txt:1: column {column + 1} is beyond 1e9 pixels"):
        read_mot(tmp_path / "r.txt")
