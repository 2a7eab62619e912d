"""The lines of a run's tracks: read, written, and the same bytes after both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.track_rows import TrackRows, read_rows, read_rows_of, row_keys, same_rows, write_rows

hundredths = st.integers(-100_000, 2_000_000).map(lambda value: value / 100)
rows = st.lists(
    st.tuples(
        st.integers(1, 10**7),
        st.integers(1, 10**7),
        *(hundredths for _ in range(4)),
        st.integers(0, 1000).map(lambda value: value / 1000),
    ),
    max_size=20,
)


@given(rows)
def test_what_is_read_and_written_again_keeps_its_bytes(lines: list[tuple[float, ...]]) -> None:
    text = b"".join(b"%d,%d,%.2f,%.2f,%.2f,%.2f,%.3f,-1,-1,-1\n" % line for line in lines)
    found = TrackRows.parse(text)
    assert len(found) == len(lines)
    assert found.text() == text
    assert len(TrackRows.parse(text, most=3)) == min(3, len(lines))


def test_boxes_by_their_corners() -> None:
    found = TrackRows.of([2, 1], [7, 8], [[10, 20, 30.5, 60], [1, 2, 3, 4]], [0.5, 0.25])
    assert found.text().splitlines() == [
        b"2,7,10.00,20.00,20.50,40.00,0.500,-1,-1,-1",
        b"1,8,1.00,2.00,2.00,2.00,0.250,-1,-1,-1",
    ]
    np.testing.assert_array_equal(found.xyxy[0], [10, 20, 30.5, 60])
    assert found.in_order().tolist() == [1, 0]
    assert found.pick([False, True]).ids.tolist() == [8]
    assert found.pick([]).text() == b""
    assert TrackRows.joined([found, found]).named([1, 2, 3, 4]).ids.tolist() == [1, 2, 3, 4]
    assert row_keys(found) == row_keys(found.named([5, 6]))


def test_files(tmp_path: Path) -> None:
    found = TrackRows.of([1], [7], [[1, 2, 3, 4]], [0.5])
    write_rows(tmp_path, "tracks", "gate", found)
    assert read_rows(tmp_path, "tracks", "gate").text() == found.text()
    assert same_rows(tmp_path, "tracks", "gate", found)
    assert not same_rows(tmp_path, "tracks", "gate", found.named([8]))
    (tmp_path / "empty.txt").write_bytes(b"")
    assert len(read_rows_of(tmp_path / "empty.txt")) == 0


@pytest.mark.parametrize("text", [b"nonsense\n", b"1,2,3\n", b"1,2,3,4,5,6,seven,-1,-1,-1\n"])
def test_other_text_is_refused_by_its_name(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks/gate.txt").write_bytes(text)
    with pytest.raises(OutputError, match=r"tracks/gate\.txt: not lines that RelayTrack wrote"):
        read_rows(tmp_path, "tracks", "gate")
    with pytest.raises(OutputError, match="gone"):
        read_rows(tmp_path, "tracks", "gone")
