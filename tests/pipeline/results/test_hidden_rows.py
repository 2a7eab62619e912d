"""The boxes in which people are hidden: written, read and put together by one module."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.results.hidden_rows import HiddenRows, forgotten_path, read_hidden, write_hidden

BOXES = st.lists(st.tuples(st.integers(1, 50), *([st.integers(-999, 9999)] * 4)), max_size=20)


def rows_of(boxes: list[tuple[int, int, int, int, int]]) -> HiddenRows:
    return HiddenRows.of([box[0] for box in boxes], [[side / 10 for side in box[1:]] for box in boxes])


@given(BOXES)
def test_what_is_written_is_read_again_byte_by_byte(boxes: list[tuple[int, int, int, int, int]]) -> None:
    text = rows_of(boxes).text()
    assert HiddenRows.parse(text).text() == text


@given(BOXES, BOXES)
def test_joined_rows_are_by_frame_and_none_is_lost(
    some: list[tuple[int, int, int, int, int]], others: list[tuple[int, int, int, int, int]]
) -> None:
    joined = rows_of(some).joined(rows_of(others))
    assert sorted(joined.text().splitlines()) == sorted((rows_of(some).text() + rows_of(others).text()).splitlines())
    assert (np.diff(joined.frames) >= 0).all()


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    path = forgotten_path(tmp_path, "west")
    assert read_hidden(path) is None
    path.parent.mkdir()
    path.write_bytes(b"1,2,3\n")
    with pytest.raises(OutputError, match=r"hidden/west\.forgotten\.txt"):
        read_hidden(path)
    write_hidden(path, HiddenRows.of([3], [[1, 2, 3, 4]]))
    assert path.read_bytes() == b"3,1.0,2.0,3.0,4.0\n"
    write_hidden(path, None)
    assert not path.exists()
