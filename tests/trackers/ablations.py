"""Measure what each part of the tracker brings: `python tests/trackers/ablations.py CACHES GT [SETS] [ROW ...]`.

CACHES holds SEQUENCE_DETECTOR.npz, GT the sequences (gt/gt.txt, seqinfo.ini), as for `relaytrack bench tracker`. Each
row is the default tracker with one thing changed, and each figure the median over SETS sets of settings within 15 % of
the row's own, boxes of real detections only: one run over few sequences proves little.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from relaytrack.pipeline.benchmarks.accuracy import find_cases
from relaytrack.pipeline.benchmarks.neighbourhood import jittered
from relaytrack.pipeline.replay.detection_cache import read_cache
from relaytrack.pipeline.replay.track import track_cache
from relaytrack.trackers import DeepSort, DeepSortParams
from relaytrack.trackers.evaluation import evaluate

ROWS: dict[str, dict[str, Any]] = {
    "default": {},
    "no embeddings": {"embeddings": False},
    "appearance only to recover": {"appearance_weight": 0.0},
    "no recovering by appearance": {"recover_appearance": 10.0},
    "no round for low scores": {"low_iou": 1.0},
    "scores taken as they are": {"adapt_scores": False},
    "lost tracks kept 1 s": {"max_age": 1.0},
    "lost tracks kept 3 s": {"max_age": 3.0},
    "new tracks on top of live tracks": {"new_track_iou": 1.0, "new_track_appearance": 0.0},
    "new tracks told apart by IoU 0.25 only": {"new_track_iou": 0.25, "new_track_appearance": 0.0},
    "measurement noise of the paper": {"steady_jitter": 0.0},
    "embeddings learnt under occlusion": {"occlusion_iou": 1.0},
    "match_iou 0.2": {"match_iou": 0.2},
    "match_score 0": {"match_score": 0.0},
    "match_score 0.2": {"match_score": 0.2},
    "match_score 0.6": {"match_score": 0.6},
    "signs that stay taken for people": {"still_time": 1e9},
    "two hits never enough": {"early_doubt": 0.0},
    "classic DeepSORT (2017)": {"classic": True},
}


def main(caches: str, truths: str, sets: int, names: list[str]) -> None:
    """Print the table."""
    cases = find_cases(Path(caches), Path(truths))
    data = [read_cache(case.path) for case in cases]
    real = np.array([not case.detector.startswith("gt") for case in cases])
    print("| | mean HOTA | mean IDF1 |", *(f"{c.sequence} {c.detector} |" for c in cases))
    print("|---|" + "---|" * (2 + len(cases)), flush=True)
    for name in names or ROWS:
        settings = dict(ROWS[name])
        embedded = settings.pop("embeddings", True)
        base = DeepSortParams.classic() if settings.pop("classic", False) else DeepSortParams()
        found = np.zeros((sets, len(cases), 2))
        for row, params in enumerate(jittered(replace(base, **settings), sets)):
            for column, (case, cache) in enumerate(zip(cases, data, strict=True)):
                given = cache if embedded else replace(cache, embeddings=None)
                scores = evaluate(case.truth, track_cache(given, DeepSort(params), fps=case.truth.frame_rate).rows)
                found[row, column] = 100 * scores.hota, 100 * scores.idf1
        mean, cells = np.median(found[:, real].mean(axis=1), axis=0), np.median(found, axis=0)
        print(f"| {name} | {mean[0]:.1f} | {mean[1]:.1f} |", *(f"{h:.1f} / {i:.1f} |" for h, i in cells), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 20, sys.argv[4:])
