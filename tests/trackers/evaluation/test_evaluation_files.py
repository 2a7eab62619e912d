"""Reading and writing MOT files: what is accepted, and the one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from relaytrack.trackers.errors import TrackerError
from relaytrack.trackers.evaluation import (
    GroundTruth,
    evaluate,
    read_ground_truth,
    read_mot,
    rows_from_arrays,
    write_mot,
)
from relaytrack.trackers.textfile import read_text

GOOD = "1,5,10,20,30,40,0.9,-1,-1,-1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,5,10,20,30\n", ":1: 5 columns, expected 6 to 10"),
        (GOOD + "1,6,10,20,30,40,1\n", ":2: 7 columns where the lines before have 10"),
        ("1,1,1,1,1,1,1,1,1,1,1\n", ":1: 11 columns"),
        (GOOD + "\n2,5,10,twenty,30,40,0.9,-1,-1,-1\n", ":3: column 4 is not a number ('twenty')"),
        ("frame,id,x,y,w,h\n", ":1: column 1 is not a number ('frame')"),
        ("1,5,nan,20,30,40,1\n", ":1: column 3 is not a finite number"),
        ("1,5,inf,20,30,40,1\n", ":1: column 3 is not a finite number"),
        ("0,5,10,20,30,40,1\n", ":1: the frame is not a whole number from 1 on (0)"),
        ("1.5,5,10,20,30,40,1\n", "the frame is not a whole number from 1 on (1.5)"),
        ("99999999999,5,10,20,30,40,1\n", "the frame number is beyond 32 bits"),
        (GOOD + GOOD, ":2: id 5 appears twice in frame 1"),
        ("1,2147483648,10,20,30,40,1\n", ":1: the id is beyond 32 bits (2147483647) (2147483648)"),
        ("1,-1,10,20,30,40,1\n", ":1: the id is negative"),
        ("1,1.5,10,20,30,40,1\n", ":1: the id is not a whole number"),
        ("1,5,10,20,-30,40,1\n", ":1: the width is negative"),
        ("1,5,10,20,30,-40,1\n", ":1: the height is negative"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "res.txt"
    file.write_text(text)
    with pytest.raises(TrackerError) as caught:
        read_mot(file)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert said in message
    assert "\n" not in message


def test_absent_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match="no such file"):
        read_mot(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff\xfe\x00\x80")
    with pytest.raises(TrackerError, match="not a text file"):
        read_mot(tmp_path / "binary")
    (tmp_path / "cp1252").write_bytes(b"# gr\xfc\xdfe\n1,1,1,1,1,1\n")
    with pytest.raises(TrackerError, match="line 1 is not UTF-8 text: save the file as UTF-8"):
        read_mot(tmp_path / "cp1252")
    with pytest.raises(TrackerError, match="cannot be read"):
        read_mot(tmp_path)
    with pytest.raises(TrackerError, match=r"no gt/gt\.txt in this folder"):
        read_ground_truth(tmp_path)


def test_accepted_forms(tmp_path: Path) -> None:
    file = tmp_path / "res.txt"
    file.write_text("\ufeff3 7 1 2 3 4\n1 9 1 2 3 4\n\n", encoding="utf-8")
    rows = read_mot(file)
    assert rows.frames.tolist() == [1, 3]
    assert rows.ids.tolist() == [9, 7]
    assert rows.scores.tolist() == [1, 1]
    file.write_text("")
    assert len(read_mot(file)) == 0
    file.write_text("# frame;id;x;y;w;h\n3;7;1,5;2;3;4\n")
    assert read_mot(file).xywh.tolist() == [[1.5, 2, 3, 4]]
    file.write_text("3\t7\t1.5\t2\t3\t4\n")
    assert read_mot(file).xywh.tolist() == [[1.5, 2, 3, 4]]


def test_round_trip(tmp_path: Path) -> None:
    rows = rows_from_arrays([2, 1], [2**31 - 1, 0], [[0.5, 1.25, 10, 20], [-3, 0, 4, 8]], [0.25, 1])
    write_mot(tmp_path / "r.txt", rows)
    again = read_mot(tmp_path / "r.txt")
    np.testing.assert_array_equal(again.ids, [0, 2**31 - 1])
    np.testing.assert_array_equal(again.xywh, [[-3, 0, 7, 8], [0.5, 1.25, 9.5, 18.75]])
    np.testing.assert_array_equal(again.scores, [1, 0.25])
    with pytest.raises(TrackerError, match="cannot be written"):
        write_mot(tmp_path / "no" / "r.txt", rows)


def test_arrays_are_checked_too() -> None:
    with pytest.raises(TrackerError, match="row 2: id 1 appears twice in frame 1"):
        rows_from_arrays([1, 1], [1, 1], np.ones((2, 4)))
    with pytest.raises(TrackerError, match="2 boxes but 1 values"):
        rows_from_arrays([1, 1], [1], np.ones((2, 4)))


def sequence(folder: Path, gt: str, info: str | None) -> Path:
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text(gt)
    if info is not None:
        (folder / "seqinfo.ini").write_text(info)
    return folder


def test_sequence_folders(tmp_path: Path) -> None:
    info = "[Sequence]\nname=MOT20-01\nseqLength=7\nframeRate=25\n"
    folder = sequence(tmp_path / "a", "1,1,0,0,5,5,1,1,1\n", info)
    for path in (folder, folder / "gt" / "gt.txt"):
        truth = read_ground_truth(path)
        assert (truth.name, truth.length, truth.frame_rate) == ("MOT20-01", 7, 25)
        assert truth.benchmark == "MOT20"
    bare = read_ground_truth(sequence(tmp_path / "b", "1,1,0,0,5,5,1,-1,-1,-1\n", None))
    assert (bare.name, bare.length, bare.benchmark) == ("b", None, "MOT15")
    classes = read_ground_truth(sequence(tmp_path / "c", "1,1,0,0,5,5,1,1,1\n", None))
    assert classes.benchmark == "MOT17"
    assert read_ground_truth(tmp_path / "c", benchmark="MOT15").benchmark == "MOT15"


def test_bad_sequence_folders(tmp_path: Path) -> None:
    for index, info in enumerate(["nonsense", "[Sequence]\nseqLength=seven\n", "[Other]\n"]):
        folder = sequence(tmp_path / str(index), GOOD, info)
        with pytest.raises(TrackerError, match=r"seqinfo\.ini: (not a seqinfo\.ini|seqLength is .seven.)"):
            read_ground_truth(folder)
    with pytest.raises(TrackerError, match="seqLength is '0'"):
        read_ground_truth(sequence(tmp_path / "z", GOOD, "[Sequence]\nseqLength=0\n"))
    short = sequence(tmp_path / "s", "9,1,0,0,5,5,1,1,1\n", "[Sequence]\nseqLength=7\n")
    with pytest.raises(TrackerError, match="frame 9 is beyond the sequence's 7 frames"):
        read_ground_truth(short)


def test_results_that_do_not_fit_the_sequence(tmp_path: Path) -> None:
    rows = rows_from_arrays([1], [1], [[0, 0, 5, 5]])
    truth = GroundTruth("s", rows, 3, "MOT15")
    (tmp_path / "r.txt").write_text("4,1,0,0,5,5,1\n")
    with pytest.raises(TrackerError, match=r"r\.txt: frame 4 is beyond the 3 frames of s"):
        evaluate(truth, tmp_path / "r.txt")
    unknown = GroundTruth("s", rows, 3, "MOT17")
    with pytest.raises(TrackerError, match="class -1 in frame 1 is none of MOT17's"):
        evaluate(unknown, rows)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_what_never_ends_is_refused_at_its_beginning(device: str) -> None:
    """Fault: `eval --result /dev/zero`, or a film of many gigabytes, took all memory."""
    with pytest.raises(TrackerError, match="not a text file"):
        read_mot(device)


def test_a_long_text_is_read_whole_also_where_a_letter_lies_across_the_first_piece(tmp_path: Path) -> None:
    text = "x" * 65_535 + "é" + "y" * 70_000
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        assert read_text(path) == text
