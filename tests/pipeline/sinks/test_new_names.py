"""Files with ever new names leave nothing in Python's table of strings, which before 3.12.6 keeps all for good."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.results.identities import TrackRecord
from relaytrack.pipeline.results.identity_pictures import write_picture
from relaytrack.pipeline.sinks.live_track import LiveTrack


def test_pictures_of_tracks_and_people_put_no_name_into_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[str] = []
    intern = sys.intern
    monkeypatch.setattr(sys, "intern", lambda text: known.append(text) or intern(text))
    record = TrackRecord("gate", 48151, first=0.0, last=3.0)
    track = LiveTrack(record, 62342)
    track.offer(np.zeros((200, 100, 3), np.uint8), np.float32([10, 10, 60, 150]), 1.0, 2.0)
    known.clear()
    track.store(tmp_path)
    picture = write_picture(tmp_path, 62342, record.crops[0]["file"])
    put = [text for text in known if text.startswith(("48151", "62342"))]
    assert put == []
    assert picture == "crops/62342.jpg"
    assert (tmp_path / "crops/gate/48151-1.jpg").read_bytes() == (tmp_path / picture).read_bytes()
