"""How good is a tracking result: HOTA, CLEAR MOT and identity metrics, per camera and over all cameras."""

from relaytrack.trackers.evaluation.clear_mot import Switch
from relaytrack.trackers.evaluation.evaluate import Evaluation, evaluate, evaluate_global, evaluate_in_detail
from relaytrack.trackers.evaluation.ground_truth import BENCHMARKS, Benchmark, GroundTruth, read_ground_truth
from relaytrack.trackers.evaluation.mot_files import MotRows, read_mot, rows_from_arrays, write_mot
from relaytrack.trackers.evaluation.scores import Scores, combine

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Evaluation",
    "GroundTruth",
    "MotRows",
    "Scores",
    "Switch",
    "combine",
    "evaluate",
    "evaluate_global",
    "evaluate_in_detail",
    "read_ground_truth",
    "read_mot",
    "rows_from_arrays",
    "write_mot",
]
