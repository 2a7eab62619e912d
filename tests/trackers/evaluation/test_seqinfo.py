"""seqinfo.ini as people's programs write it, and text files with and without a byte order mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.evaluation import read_ground_truth, read_mot
from relaytrack.trackers.seqinfo import read_seqinfo
from relaytrack.trackers.textfile import read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_encoding_and_line_end(encoding: str, end: str, tmp_path: Path) -> None:
    lines = ["[Sequence]", "name=Straße", "imDir=img%1", "frameRate=", "seqLength= 12 ", "unknown"]
    (tmp_path / "gt").mkdir()
    (tmp_path / "seqinfo.ini").write_bytes((end.join(lines[:-1]) + end).encode(encoding))
    (tmp_path / "gt" / "gt.txt").write_bytes(f"1,1,0,0,9,9,1,1,1{end}2,1,0,0,9,9,1,1,1{end}".encode(encoding))
    info = read_seqinfo(tmp_path / "seqinfo.ini")
    assert (info.name, info.images, info.length(), info.rate()) == ("Straße", "img%1", 12, None)
    truth = read_ground_truth(tmp_path)
    assert (truth.name, truth.length, truth.frame_rate, len(truth.rows)) == ("Straße", 12, None, 2)
    assert len(read_mot(tmp_path / "gt" / "gt.txt")) == 2


@pytest.mark.parametrize("text", ["frameRate=fast", "frameRate=0", "frameRate=inf", "frameRate=nan", "frameRate=²"])
def test_a_rate_is_looked_at_where_it_is_needed(text: str, tmp_path: Path) -> None:
    (tmp_path / "seqinfo.ini").write_text(f"[sequence]\nseqLength=5\n{text}\n")
    info = read_seqinfo(tmp_path / "seqinfo.ini")
    assert info.length() == 5
    with pytest.raises(TrackerInputError, match="frameRate is"):
        info.rate()


def test_what_is_no_seqinfo(tmp_path: Path) -> None:
    assert read_seqinfo(tmp_path / "gone.ini").values == {}
    for content in (b"nonsense", b"[Other]\na=1", b"\x7fELF\xff\xfe", b""):
        (tmp_path / "seqinfo.ini").write_bytes(content)
        with pytest.raises(TrackerInputError, match=r"not a seqinfo\.ini"):
            read_seqinfo(tmp_path / "seqinfo.ini")


def test_a_text_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("12345")
    assert read_text(tmp_path / "x", 5) == "12345"
    with pytest.raises(ValueError, match="longer than 4 bytes"):
        read_text(tmp_path / "x", 4)
