"""Tracks that have ended lie on the disk: the list stays what it was, memory no longer follows the number of tracks."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.memory import held_bytes
from support.steps import Shot, step_of

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.events.former import Former
from relaytrack.pipeline.records import Frame, Step
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.results.embeddings import read_embeddings
from relaytrack.pipeline.results.identities import TrackRecord, read_identities
from relaytrack.pipeline.sinks import ended_file
from relaytrack.pipeline.sinks.ended_tracks import EndedTracks
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.trackers import Revision

D = 512


def _shot(time: float, track: int, identity: int, look: int = 0) -> Shot:
    seen = Shot.of(
        Frame("a", 1 + round(10 * time), time, np.full((60, 40, 3), 90, np.uint8)),
        np.array([track], np.int64),
        np.array([identity], np.int64),
        np.array([[5, 5, 25, 55]], np.float32),
        np.ones(1, np.float32),
    )
    return seen.having(embeddings=np.eye(D, dtype=np.float32)[[look]])


def _many(folder: Path, tracks: int) -> IdentitiesSink:
    sink = IdentitiesSink(folder, ["a"], crops=False, idle=1.0, every=1e9)
    for track in range(1, tracks + 1):
        sink.write(Step.of([_shot(5.0 * track, track, track).tracks]))
    return sink


def test_memory_does_not_follow_the_number_of_tracks(tmp_path: Path) -> None:
    """Fault: each of the 20,000 tracks of the list held its embedding and its record in memory, 3 kB and more."""
    numbers = iter(range(9))

    def held(tracks: int) -> int:
        return held_bytes(lambda: _many(tmp_path / str(next(numbers)), tracks), IdentitiesSink.close)

    assert held(600) - held(100) < 500 * 50


def test_a_track_that_comes_back_goes_on(tmp_path: Path) -> None:
    sink = IdentitiesSink(tmp_path, ["a"], idle=1.0)
    for time, track, look in ((0.0, 1, 0), (5.0, 2, 1), (10.0, 2, 1), (15.0, 1, 2)):
        sink.write(step_of(_shot(time, track, track, look)))
    sink.close()
    [(record, _), (other, _)] = read_identities(tmp_path).tracks
    assert (record.track, record.frames, record.spans) == (1, 2, [[0.0, 0.0], [15.0, 15.0]])
    assert (other.track, other.frames) == (2, 2)
    keys, vectors = read_embeddings(tmp_path / "embeddings.npz")
    assert keys == [("a", 2), ("a", 1)]
    assert vectors[1][0] > 0.5
    assert vectors[1][2] > 0.01, "both sightings count"


def test_corrections_reach_tracks_that_have_ended(tmp_path: Path) -> None:
    sink = _many(tmp_path, 6)
    sink.write(replace(step_of(_shot(40.0, 9, 9)), revisions=(Revision("merge", 3, 2, "a", 3, 40.0, 1.5),)))
    sink.corrected(Correction("merge", 5, 4, {("a", 5): (25.0, 25.0)}))
    sink.corrected(Correction("forget", 1, 0, {("a", 1): (5.0, 5.0)}))
    sink.close()
    found = {record.track: (identity, record.former) for record, identity in read_identities(tmp_path).tracks}
    assert {track: identity for track, (identity, _) in found.items()} == {2: 2, 3: 2, 4: 4, 5: 4, 6: 6, 9: 9}
    assert found[3][1] == [Former(3, 40.0, "merge", 1.5)]
    keys, _ = read_embeddings(tmp_path / "embeddings.npz")
    assert ("a", 1) not in keys


def test_nothing_is_left_beside_the_results(tmp_path: Path) -> None:
    sink = _many(tmp_path, 6)
    assert not list(tmp_path.glob("tracks.db*")), "the file has no name while it is used"
    sink.close()
    assert {path.name for path in tmp_path.iterdir()} == {"identities.json", "embeddings.npz"}


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ended_file,
        "_SCHEMA",
        ended_file._SCHEMA.replace("CREATE TABLE tracks", "PRAGMA max_page_count = 12;\nCREATE TABLE tracks", 1),
    )
    ended = EndedTracks(tmp_path)

    def fill() -> None:
        for track in range(200):
            ended.put(TrackRecord("a", track, 0.0, 1.0, 1, [[0.0, 1.0]]), 1, np.ones(D, np.float32))

    with pytest.raises(OutputError, match=r"cannot write .*tracks\.db: database or disk is full"):
        fill()
    kept = [record.track for record in ended.of(1)]
    assert kept == list(range(len(ended))), "what was half done was taken back"
    ended.close()


def test_a_file_that_cannot_be_opened_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the error of opening came out as SQLite's own, and the file kept its name."""

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    ended = EndedTracks(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", refuse)
        with pytest.raises(OutputError, match=r"^cannot write .*tracks\.db: unable to open database file$"):
            ended.put(TrackRecord("a", 1, 0.0, 1.0, 1, [[0.0, 1.0]]), 1, None)
    assert not list(tmp_path.iterdir())
    ended.put(TrackRecord("a", 1, 0.0, 1.0, 1, [[0.0, 1.0]]), 1, None)
    assert _tracks(ended) == [(1, [1])], "it is tried again"
    ended.close()


def test_a_sweep_reads_only_the_tracks_that_are_hidden(tmp_path: Path) -> None:
    """Fault: every sweep read the whole table, 20,000 records, to find the few that are due."""
    ended = EndedTracks(tmp_path)
    for track in range(1, 5):
        crops = [{"time": 0.0, "quality": 1.0, "file": f"crops/a/{track}-1.jpg"}]
        ended.put(TrackRecord("a", track, 0.0, float(track), 1, [[0.0, 1.0]], crops), track, None)
    asked: list[str] = []
    with ended._file.writing() as file:
        file.set_trace_callback(asked.append)
        assert [(record.track, len(record.crops)) for record, _ in ended.hide(3.0)] == [(1, 1), (2, 1)]
        file.set_trace_callback(None)
        plan = [row[3] for query in asked for row in file.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert len(plan) >= 5
    assert not [line for line in plan if line.startswith("SCAN")]
    assert ended.hide(3.0) == [], "once"
    assert [len(record.crops) for identity in ended.people() for record in ended.of(identity)] == [0, 0, 1, 1]
    ended.close()


def test_people_come_in_order_with_all_their_tracks(tmp_path: Path) -> None:
    ended = EndedTracks(tmp_path)
    assert _tracks(ended) == []
    for track, identity in ((1, 8), (2, 3), (3, 8), (4, 5)):
        ended.put(TrackRecord("a", track, 0.0, float(track), 1, [[0.0, 1.0]]), identity, None)
    assert _tracks(ended) == [(3, [2]), (5, [4]), (8, [1, 3])]
    assert ended.seen_since(8, 3.0)
    assert not ended.seen_since(8, 3.5)
    assert ended.take_first().track == 1
    assert ended.take(("a", 1)) is None
    assert len(ended) == 3
    ended.close()


def _tracks(ended: EndedTracks) -> list[tuple[int, list[int]]]:
    return [(identity, [record.track for record in ended.of(identity)]) for identity in ended.people()]


def test_a_persons_tracks_come_by_their_first_boxes(tmp_path: Path) -> None:
    ended = EndedTracks(tmp_path)
    for camera, track, first in (("b", 1, 4.0), ("a", 9, 2.0), ("a", 4, 4.0), ("b", 7, 1.0), ("a", 3, 4.0)):
        ended.put(TrackRecord(camera, track, first, 9.0, 1, [[first, 9.0]]), 6, None)
    assert [(record.camera, record.track) for record in ended.of(6)] == [
        ("b", 7), ("a", 9), ("a", 3), ("a", 4), ("b", 1),
    ]  # fmt: skip
    assert list(ended.of(7)) == []
    ended.close()


def test_the_list_of_somebody_who_is_always_there_takes_no_more_memory(tmp_path: Path) -> None:
    """Fault: all tracks of a person were in memory at once when the list was written, about 1 MiB more every hour."""

    def peak(tracks: int) -> int:
        ended = EndedTracks(tmp_path)
        for track in range(tracks):
            ended.put(TrackRecord("a", track, float(track), track + 1.0, 1, [[float(track), track + 1.0]]), 1, None)
        sink = IdentitiesSink(tmp_path, ["a"], crops=False, every=1e9)
        sink._ended = ended
        sink.bring_up_to_date()
        tracemalloc.start()
        try:
            sink.bring_up_to_date()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            sink.close()

    assert peak(2_000) - peak(200) < 20_000


def test_intermediate_lists_hold_tracks_that_ended(tmp_path: Path) -> None:
    sink = _many(tmp_path, 5)
    sink.bring_up_to_date()
    people = json.loads((tmp_path / "identities.json").read_text())["identities"]
    assert [person["id"] for person in people] == [1, 2, 3, 4, 5]
    assert people[0]["grounds"]["rival"] is not None, "compared with the others"
    sink.close()
