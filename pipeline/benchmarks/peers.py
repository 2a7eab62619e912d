"""Other people's trackers, where they are installed. None of them is needed for anything but comparison.

* ultralytics (AGPL-3.0): its trackers with their default settings, camera-motion compensation off.
* boxmot (AGPL-3.0): the Python backends with their default settings, likewise; `@.3` lowers the detection
  thresholds to 0.3, because small detectors score low.
* deep-sort-realtime (MIT), detections above 0.3.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from relaytrack.pipeline.benchmarks.contenders import Contender, Found, Runner, no_tracks
from relaytrack.pipeline.records import Floats

_ULTRALYTICS = {
    "botsort": "bot_sort.BOTSORT",
    "bytetrack": "byte_tracker.BYTETracker",
    "ocsort": "oc_sort.OCSORT",
    "deepocsort": "deep_oc_sort.DeepOCSORT",
    "fasttrack": "fast_tracker.FASTTracker",
    "tracktrack": "track_tracker.TRACKTRACK",
}
_BOXMOT = ("botsort", "bytetrack", "boosttrack", "occluboost", "ocsort", "deepocsort", "hybridsort", "strongsort")
_BOXMOT_EMBEDDINGS = ("botsort", "boosttrack", "occluboost", "deepocsort", "hybridsort", "strongsort")
_LOWERED: dict[str, dict[str, float]] = {
    "botsort": {"track_high_thresh": 0.3, "new_track_thresh": 0.3},
    "bytetrack": {"track_thresh": 0.3},
    "boosttrack": {"det_thresh": 0.3},
    "occluboost": {"det_thresh": 0.3, "new_track_thresh": 0.3},
    "ocsort": {"det_thresh": 0.3},
    "deepocsort": {"det_thresh": 0.3},
    "hybridsort": {"det_thresh": 0.3},
    "strongsort": {"min_conf": 0.3},
}


def installed_peers() -> list[Contender]:
    """All trackers of the libraries that can be imported here; importing happens when one is started."""
    found: list[Contender] = []
    if _present("ultralytics"):
        found += [
            Contender("u_" + name, functools.partial(_ultralytics, name, False), appearance=False)
            for name in _ULTRALYTICS
        ]
        found += [
            Contender(f"u_{name}+reid", functools.partial(_ultralytics, name, True))
            for name in ("botsort", "deepocsort", "tracktrack")
        ]
    if _present("boxmot"):
        for name in _BOXMOT:
            with_embeddings = name in _BOXMOT_EMBEDDINGS
            found.append(Contender(name, functools.partial(_boxmot, name, {}), appearance=with_embeddings))
            found.append(
                Contender(f"{name}@.3", functools.partial(_boxmot, name, _LOWERED[name]), appearance=with_embeddings)
            )
    if _present("deep_sort_realtime"):
        found.append(Contender("dsr", _deep_sort_realtime))
    return found


def _present(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Swallow what the libraries print while they are loaded."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


class _Boxes:
    """The little of ultralytics' result that its trackers read: boxes that a mask selects."""

    def __init__(self, xyxy: Floats, conf: Floats) -> None:
        self.xyxy, self.conf, self.cls = xyxy, conf, np.zeros(len(conf), np.float32)

    @property
    def xywh(self) -> Floats:
        size = self.xyxy[:, 2:] - self.xyxy[:, :2]
        return np.concatenate([self.xyxy[:, :2] + size / 2, size], axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, rows: Any) -> _Boxes:
        return _Boxes(self.xyxy[rows], self.conf[rows])


def _ultralytics(name: str, reid: bool, fps: float) -> Runner:
    with _quiet():
        from relaytrack.pipeline.perception.detectors.ultralytics_import import import_ultralytics

        import_ultralytics()
        from ultralytics.utils import YAML, IterableSimpleNamespace
        from ultralytics.utils.checks import check_yaml

        module, _, kind = _ULTRALYTICS[name].partition(".")
        tracker_class = getattr(importlib.import_module(f"ultralytics.trackers.{module}"), kind)
        settings = YAML.load(check_yaml(f"{name}.yaml"))  # type: ignore[no-untyped-call]
        if "gmc_method" in settings:
            settings["gmc_method"] = "none"
        if "with_reid" in settings:
            settings["with_reid"] = reid
        tracker = tracker_class(IterableSimpleNamespace(**settings))

    def run(xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Found:
        found = tracker.update(_Boxes(xyxy, scores), feats=embeddings if reid else None)
        return (found[:, 4].astype(np.int64), found[:, :4]) if len(found) else no_tracks()

    return run


def _boxmot(name: str, options: dict[str, float], fps: float) -> Runner:
    with _quiet():
        import torch
        from boxmot.structures import Boxes, Detections
        from boxmot.trackers import TrackerSpec, create_tracker

        logging.getLogger("boxmot").setLevel(logging.ERROR)
        chosen: dict[str, Any] = dict(options)
        if name in ("botsort", "boosttrack", "occluboost"):
            chosen["use_cmc"] = False
        if name == "deepocsort":
            chosen["cmc_off"] = True
        tracker = create_tracker(TrackerSpec(name, options=tuple(sorted(chosen.items()))))
        if name in ("hybridsort", "strongsort"):  # these two have no such option
            tracker.cmc = None
    blank = np.zeros((1080, 1920, 3), np.uint8)

    def run(xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Found:
        rows = Detections(
            geometry=Boxes(torch.from_numpy(np.ascontiguousarray(xyxy))),
            scores=torch.from_numpy(np.ascontiguousarray(scores)),
            class_ids=torch.zeros(len(scores), dtype=torch.int64),
            sample_id="frame",
            embeddings=None if embeddings is None else torch.from_numpy(np.ascontiguousarray(embeddings)),
        )
        found = tracker.update(rows, blank)
        return found.track_ids.numpy(), found.geometry.values.numpy()

    return run


def _deep_sort_realtime(fps: float) -> Runner:
    with _quiet():
        from deep_sort_realtime.deepsort_tracker import DeepSort

        tracker = DeepSort(embedder=None)

    def run(xyxy: Floats, scores: Floats, embeddings: Floats | None, time: float) -> Found:
        keep = scores > 0.3
        boxes, vectors = xyxy[keep], None if embeddings is None else embeddings[keep]
        size = boxes[:, 2:] - boxes[:, :2]
        raw = [
            ([*corner, *extent], score, "person")
            for corner, extent, score in zip(boxes[:, :2].tolist(), size.tolist(), scores[keep].tolist(), strict=True)
        ]
        tracks = tracker.update_tracks(raw, embeds=[] if vectors is None else list(vectors))
        shown = [track for track in tracks if track.is_confirmed() and track.time_since_update == 0]
        if not shown:
            return no_tracks()
        return np.array([int(track.track_id) for track in shown]), np.array([track.to_ltrb() for track in shown])

    return run
