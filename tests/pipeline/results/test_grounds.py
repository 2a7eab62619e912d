"""What an identity rests on, in identities.json and its events."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.events.former import MOST_FORMER, Former
from relaytrack.pipeline.postprocess.finalize import regroup
from relaytrack.pipeline.results.embeddings import write_embeddings
from relaytrack.pipeline.results.grounds import MOST_TRACKS, Grounds, grounds_of
from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord, read_identities
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.run_data import load_run
from relaytrack.trackers import CameraTracks, IdentityAssociator


def unit(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    vector = np.array(values, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_the_weakest_track_speaks_for_an_identity() -> None:
    looks = {("a", 1): unit(1, 0, 0), ("b", 1): unit(1, 0.1, 0), ("b", 2): unit(0.6, 0.8, 0), ("a", 3): unit(0, 1, 0)}
    found = grounds_of({1: [(("a", 1), False), (("b", 1), False), (("b", 2), True)], 2: [(("a", 3), False)]}, looks)
    mean = (0.6 + float(looks["b", 1] @ looks["b", 2])) / 2
    assert found[1] == Grounds("revised", round(mean, 3), round(mean - 0.8, 3), 2, 0.8)
    assert found[2] == Grounds("new", None, None, 1, 0.8)
    assert found[1].sentence() == f"corrected, similarity {mean:.2f}, next likely 2 with 0.80"


def test_without_looks_only_the_state_is_told() -> None:
    pair = {1: [(("a", 1), False), (("b", 1), False)]}
    assert grounds_of(pair, {}) == {1: Grounds("matched")}
    many = {("a", number): unit(1, 0) for number in range(MOST_TRACKS + 1)}
    assert grounds_of({1: [(key, False) for key in many]}, many) == {1: Grounds("matched")}
    alone = grounds_of(pair, {("a", 1): unit(1, 0), ("b", 1): unit(1, 0)})
    assert alone == {1: Grounds("matched", 1.0, None, None)}


def track(camera: str, number: int) -> TrackRecord:
    record = TrackRecord(camera, number, 1.0, 1.0)
    record.seen(1.0)
    record.seen(2.0)
    return record


def test_they_are_written_and_read_and_a_correction_adds_to_them(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "embeddings.npz", [("a", 1), ("b", 2)], np.stack([unit(1, 0), unit(1, 1)]))
    first = track("a", 1)
    first.was(Former(7, 1.5, "merge", 0.75))
    write_identities(tmp_path, {"a": CameraRecord(), "b": CameraRecord()}, [(first, 1), (track("b", 2), 2)])
    known = read_identities(tmp_path)
    assert known.grounds == {1: Grounds("revised", None, None, 2, 0.707), 2: Grounds("new", None, None, 1, 0.707)}
    assert known.tracks[0][0].former == [Former(7, 1.5, "merge", 0.75)]
    regroup(tmp_path, {("a", 1): 2})
    known = read_identities(tmp_path)
    assert known.grounds == {2: Grounds("revised", 0.707, None, None)}
    assert known.tracks[0][0].former == [Former(7, 1.5, "merge", 0.75), Former(1, 2.0, "final")]


def test_the_chain_of_former_identities_stays_short() -> None:
    record = track("a", 1)
    for number in range(30):
        record.was(Former(number, float(number), "split"))
    assert [former.id for former in record.former] == list(range(30 - MOST_FORMER, 30))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("grounds", "state"), "sure"),
        (("grounds", "similarity"), "0.5"),
        (("tracks", 0, "former"), [{"id": 1, "time": 2.0, "kind": "guess"}]),
        (("tracks", 0, "former"), [{"id": 1, "time": "soon", "kind": "merge"}]),
        (("tracks", 0, "former"), 5),
    ],
)
def test_a_damaged_file_is_refused(place: tuple[str | int, ...], value: object, tmp_path: Path) -> None:
    write_identities(tmp_path, {"a": CameraRecord()}, [(track("a", 1), 1)])
    path = tmp_path / "identities.json"
    content = json.loads(path.read_text())
    entry = content["identities"][0]
    for key in place[:-1]:
        entry = entry[key]
    entry[place[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_identities(tmp_path)


@pytest.mark.parametrize("value", [None, "x", [], {}, float("inf"), -1])
@pytest.mark.parametrize("place", ["frames", "last_index", "first", "cuts", "track", "tracks.frames", "clock_zero"])
def test_values_that_others_count_with_are_looked_at(place: str, value: object, tmp_path: Path) -> None:
    """Fault: `merge`, `split` and `forget` ended with a TypeError in the middle of their work."""
    if (place, value) in [("first", -1), ("clock_zero", -1), ("clock_zero", None), ("cuts", [])]:
        pytest.skip("a right value")
    write_identities(tmp_path, {"a": CameraRecord(3, 0.0, 1.0, 3)}, [(track("a", 1), 1)])
    path = tmp_path / "identities.json"
    content = json.loads(path.read_text())
    entry = content if place == "clock_zero" else content["cameras"]["a"]
    if place.startswith("track"):
        entry = content["identities"][0]["tracks"][0]
    entry[place.rpartition(".")[2]] = value
    path.write_text(json.dumps(content))
    with pytest.raises((ValueError, TypeError, KeyError)):
        read_identities(tmp_path)
    with pytest.raises(InputError, match=r"identities\.json: not a file of this version"):
        load_run(tmp_path)


def test_older_files_are_read(tmp_path: Path) -> None:
    write_identities(tmp_path, {"a": CameraRecord()}, [(track("a", 1), 1)])
    path = tmp_path / "identities.json"
    content = json.loads(path.read_text())
    del content["identities"][0]["grounds"], content["identities"][0]["tracks"][0]["former"]
    path.write_text(json.dumps(content))
    known = read_identities(tmp_path)
    assert known.grounds == {}
    assert known.tracks[0][0].former == []


def test_a_merge_tells_what_spoke_for_it() -> None:
    """Two tracks that began unlike grow alike; the correction that joins them has a score above 0."""
    associator = IdentityAssociator(threshold=0.4)
    draw = np.random.default_rng(0)
    strangers = draw.normal(size=(12, 32)).astype(np.float32)
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    found = []
    for number in range(60):
        time = number / 5
        views = []
        for camera, shift in (("a", 0), ("b", 6)):
            looks = strangers[shift : shift + 6].copy()
            if number > 3:
                looks[0] = strangers[0]
            views.append(
                CameraTracks(
                    camera,
                    time,
                    np.arange(1, 7),
                    np.full((6, 4), np.nan, np.float32),
                    np.ones(6, np.float32),
                    looks,
                    np.ones(6, np.float32),
                )
            )
        found += associator.update(views).revisions
    merged = [change for change in found if change.kind == "merge"]
    assert merged
    assert all(change.score is not None and change.score > 0 for change in merged)
