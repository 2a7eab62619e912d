"""`relaytrack eval` from the command line: numbers, pairing, pictures, and one clear line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.cli.main import main
from relaytrack.trackers.evaluation import evaluate_global, rows_from_arrays, write_mot

GT = "".join(f"{frame},{person},{100 * person},10,40,90,1,1,1\n" for frame in range(1, 21) for person in (1, 2))
INFO = "[Sequence]\nname=walk\nframeRate=10\nseqLength=20\n"


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    folder = tmp_path / "walk"
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text(GT)
    (folder / "seqinfo.ini").write_text(INFO)
    return folder


def result(path: Path, change: int = 0, frames: int = 20, shift: int = 0) -> Path:
    """Both people found everywhere; person 2 is called 9 from frame `change` on."""
    number = np.repeat(np.arange(1, frames + 1), 2)
    person = np.tile([1, 2], frames)
    ids = np.where((person == 2) & (change > 0) & (number >= change), 9, person) + shift
    left = 100.0 * person
    boxes = np.c_[left, np.full(len(left), 10), left + 40, np.full(len(left), 100)]
    write_mot(path, rows_from_arrays(number, ids, boxes))
    return path


def outcome(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["eval", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_table_and_json(sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    res = result(tmp_path / "res.txt", change=11)
    code, out, err = outcome(capsys, "--gt", sequence, "--result", res)
    head, row = out.splitlines()
    assert (code, err) == (0, "")
    cells = dict(zip(head.split()[1:], row.split()[1:], strict=True))
    assert row.split()[0] == "walk"
    assert (cells["IDF1"], cells["MOTA"], cells["IDSW"], cells["Frag"]) == ("75.0", "97.5", "1", "0")
    _, out, _ = outcome(capsys, "--json", "--gt", sequence / "gt" / "gt.txt", "--result", res)
    report = json.loads(out)
    assert report["unit"] == "percent"
    # Half of the matches have A(c) = 1, half 10 / 20.
    assert report["sequences"]["walk"]["HOTA"] == pytest.approx(100 * np.sqrt(0.75))
    assert report["combined"] == report["sequences"]["walk"]


def test_sequences_are_combined_by_their_boxes(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("1,1,100,10,40,90,1,1,1\n")
    good, bad = result(tmp_path / "a.txt"), tmp_path / "b.txt"
    bad.write_text("1,4,500,10,40,90,1\n")
    code, out, _ = outcome(capsys, "--gt", sequence, short, "--result", good, bad, "--json")
    report = json.loads(out)
    assert code == 0
    assert list(report["sequences"]) == ["walk", "short"]
    assert report["combined"]["IDF1"] == pytest.approx(100 * 40 / 41)
    _, out, _ = outcome(capsys, "--gt", sequence, short, "--result", good, bad)
    assert out.splitlines()[-1].startswith("COMBINED")


def test_several_results_of_one_sequence_are_compared(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = result(tmp_path / "a.txt"), result(tmp_path / "b.txt", change=11)
    code, out, _ = outcome(capsys, "--gt", sequence, "--result", good, f"mine={bad}", "--json")
    report = json.loads(out)
    assert code == 0
    assert {name: row["IDSW"] for name, row in report["sequences"].items()} == {str(good): 0, "mine": 1}
    assert "combined" not in report


def test_folder_of_sequences(sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").mkdir()
    result(tmp_path / "results" / "walk.txt")
    code, out, _ = outcome(capsys, "--gt", tmp_path, "--result", tmp_path / "results", "--json")
    assert code == 0
    assert json.loads(out)["sequences"]["walk"]["HOTA"] == pytest.approx(100)
    code, _, err = outcome(capsys, "--gt", tmp_path, "--result", sequence)
    assert code == 2
    assert "no result named after a sequence" in err


def test_global(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cameras pair by name; ids that differ between cameras cost identity, not detection."""
    for camera in ("cam1", "cam2"):
        (tmp_path / f"gt_{camera}.txt").write_text(GT)
    same, other = result(tmp_path / "r1.txt"), result(tmp_path / "r2.txt", shift=10)
    words = ["--global", "--gt", f"cam1={tmp_path}/gt_cam1.txt", f"cam2={tmp_path}/gt_cam2.txt", "--result"]
    code, out, _ = outcome(capsys, *words, f"cam2={other}", f"cam1={same}", "--json")
    report = json.loads(out)
    assert code == 0
    assert {name: row["IDF1"] for name, row in report["cameras"].items()} == {"cam1": 100, "cam2": 100}
    assert (report["global"]["IDF1"], report["global"]["DetA"]) == (50, pytest.approx(100))
    assert report["global"]["HOTA"] == pytest.approx(100 * np.sqrt(0.5))
    direct, _ = evaluate_global({c: (tmp_path / f"gt_{c}.txt", r) for c, r in (("cam1", same), ("cam2", other))})
    assert report["global"] == pytest.approx(direct.scores.as_dict())
    code, out, _ = outcome(capsys, *words, f"cam2={same}", f"cam1={same}", "--plots", tmp_path / "plots")
    assert out.splitlines()[-1].split()[:2] == ["GLOBAL", "100.0"]
    assert sorted(file.name for file in (tmp_path / "plots").iterdir()) == [
        "timeline_cam1.png",
        "timeline_cam2.png",
        "timeline_global.png",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cam1=R", "cam3=R"], "'cam3' is not in both"),
        (["cam1=R", "cam1=R"], "--result names 'cam1' twice"),
        (["cam1=R", "R"], "give every --gt and --result a NAME="),
        (["R"], "2 --gt but 1 --result"),
        (["cam1=R", "cam2=missing.txt"], "missing.txt: no such file"),
    ],
)
def test_pairs_that_do_not_match(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gt.txt").write_text(GT)
    res = str(result(tmp_path / "res.txt"))
    gts = [f"cam1={tmp_path}/gt.txt", f"cam2={tmp_path}/gt.txt"]
    code, out, err = outcome(capsys, "--gt", *gts, "--result", *(word.replace("R", res) for word in words))
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,1,10,10,40\n", "res.txt:1: 5 columns"),
        ("1,1,10,10,40,90\n1,1,10,10,40,90\n", "res.txt:2: id 1 appears twice in frame 1"),
        ("1,3000000000,10,10,40,90\n", "res.txt:1: the id is beyond 32 bits"),
        ("21,1,10,10,40,90\n", "frame 21 is beyond the 20 frames of walk"),
        ("", "no tracks at all"),
        ("1,1,100,10,40,90\n", "res.txt: frames 2 to 20 of walk are missing"),
    ],
)
def test_bad_results(text: str, said: str, sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "res.txt").write_text(text)
    code, out, err = outcome(capsys, "--gt", sequence, "--result", tmp_path / "res.txt")
    assert (code, out) == (2, "")
    assert err.startswith("relaytrack: error: ")
    assert err.count("\n") == 1
    assert said in err


def test_missing_frames(sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A long gap is told; a result that lacks most of the sequence is scored only when asked to be."""
    words = ["--gt", sequence, "--result", result(tmp_path / "res.txt", frames=9)]
    assert outcome(capsys, *words)[0] == 2
    code, out, err = outcome(capsys, *words, "--allow-missing", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["combined"]["FN"] == 22
    lines = (tmp_path / "res.txt").read_text().splitlines(keepends=True)
    late = [line.replace(line.split(",")[0], str(int(line.split(",")[0]) + 11), 1) for line in lines[-4:]]
    (tmp_path / "gap.txt").write_text("".join(lines[:8] + late))
    code, _, err = outcome(capsys, "--gt", sequence, "--result", tmp_path / "gap.txt")
    assert code == 0
    assert "gap.txt: no track in frames 5 to 18 of walk" in err


REFERENCE = {
    "HOTA": 53.52, "DetA": 79.22, "AssA": 36.68, "LocA": 87.91, "MOTA": 89.8, "IDF1": 55.85, "IDP": 58.95,
    "IDR": 53.05, "IDSW": 45, "Frag": 2313, "FP": 0, "FN": 2334, "TP": 20997, "GT_IDs": 62, "IDs": 68,
}  # fmt: skip


@pytest.mark.needs("shared")
def test_reference_evaluation_of_a_real_sequence(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shifted ground truth with every tenth box lost scores as the reference script has it (figures from it)."""
    folder = shared / "data" / "mot" / "MOT17-04A"
    rows = [line.split(",") for line in (folder / "gt" / "gt.txt").read_text().split()]
    kept = [row for number, row in enumerate(rows) if number % 10 and row[7] in ("1", "7")]
    lines = [f"{r[0]},{int(r[1]) + (int(r[0]) > 260)},{int(r[2]) + 4},{r[3]},{r[4]},{r[5]},1\n" for r in kept]
    (tmp_path / "res.txt").write_text("".join(lines))
    code, out, _ = outcome(capsys, "--gt", folder, "--result", tmp_path / "res.txt", "--json")
    found = json.loads(out)["combined"]
    assert code == 0
    for name, value in REFERENCE.items():
        assert found[name] == pytest.approx(value, abs=0.005), name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no rows"),
        (
            GT.replace(",1,1,1\n", ",0.9,1,1\n"),
            "column 7, the flag that says what is scored (1), is 0.9 in all 40 rows",
        ),
        (GT.replace(",1,1,1\n", ",0,1,1\n"), "column 7, the flag that says what is scored (1), is 0 in all 40 rows"),
        (GT.replace(",1,1,1\n", ",0.25,-1,-1,-1\n"), "column 7, the flag that says what is scored (1), is 0.25"),
        (
            GT.replace(",1,1,1\n", ",1,3,1\n"),
            "only class 1 (pedestrian, column 8) is scored, and its 40 rows have class 3",
        ),
        (GT.replace(",40,90,1,", ",0,90,1,"), "none of its 40 boxes has a width and a height"),
    ],
)
def test_ground_truth_without_anything_to_score(
    text: str, said: str, sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gt.txt").write_text(text)
    res = result(tmp_path / "res.txt")
    code, out, err = outcome(capsys, "--gt", tmp_path / "gt.txt", "--result", res, "--allow-missing")
    assert (code, out) == (2, "")
    assert err.startswith("relaytrack: error: ")
    assert f"{tmp_path / 'gt.txt'}: nothing to score: {said}" in err
    words = ["--global", "--gt", f"a={tmp_path / 'gt.txt'}", "--result", f"a={res}"]
    assert outcome(capsys, *words)[0] == 2
    code, out, err = outcome(capsys, *words[:3], f"b={sequence}", *words[3:], f"b={res}")
    assert code == 0, "one of several cameras may have seen nobody"
    assert "warning" in err
    assert said in err


def test_confidences_among_the_flags_of_ground_truth_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gt.txt").write_text(GT.replace(",1,1,1\n", ",0.9,1,1\n", 3))
    code, _, err = outcome(capsys, "--gt", tmp_path / "gt.txt", "--result", result(tmp_path / "res.txt"))
    assert code == 0
    assert "gt.txt: 3 of 40 rows have 0.9 in column 7" in err


def test_sequences_without_result_are_named(sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run", "stand"):
        (tmp_path / name / "gt").mkdir(parents=True)
        (tmp_path / name / "gt" / "gt.txt").write_text(GT)
    (tmp_path / "results").mkdir()
    result(tmp_path / "results" / "walk.txt")
    words = ["--gt", tmp_path, "--result", tmp_path / "results"]
    code, out, err = outcome(capsys, *words)
    assert (code, out) == (2, "")
    assert "no result of run, stand (--allow-missing counts it as empty)" in err
    code, out, err = outcome(capsys, *words, "--allow-missing", "--json")
    found = json.loads(out)
    assert code == 0
    assert "no result of run, stand, counted as empty" in err
    assert found["sequences"]["run"]["FN"] == 40
    assert found["combined"]["IDF1"] == pytest.approx(50), "a third of the boxes, all right"


def test_a_named_camera_without_result_is_empty_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gt.txt").write_text(GT)
    words = ["--gt", f"a={tmp_path}/gt.txt", f"b={tmp_path}/gt.txt", "--result", f"a={result(tmp_path / 'res.txt')}"]
    code, _, err = outcome(capsys, *words, "--global")
    assert code == 2
    assert "no result of b" in err
    code, out, err = outcome(capsys, *words, "--global", "--allow-missing", "--json")
    assert code == 0
    assert json.loads(out)["global"]["IDR"] == pytest.approx(50)


def test_a_result_of_other_frames_or_units_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gt.txt").write_text("1,1,10,10,20,40,1,1,1\n2,1,11,10,20,40,1,1,1\n")
    res = tmp_path / "res.txt"
    words = ["--gt", tmp_path / "gt.txt", "--result", res]
    res.write_text("500,1,10,10,20,40,1\n501,1,10,10,20,40,1\n")
    code, out, err = outcome(capsys, *words)
    assert (code, out) == (2, "")
    assert "res.txt: its frames 500 to 501 are none of those" in err
    assert outcome(capsys, *words, "--allow-missing")[0] == 0
    res.write_text("1,1,0.1,0.1,0.2,0.4,1\n2,1,0.1,0.1,0.2,0.4,1\n")
    code, _, err = outcome(capsys, *words)
    assert code == 0
    assert "res.txt: no box of it overlaps an annotated one" in err


@pytest.mark.parametrize("name", ["walk.txt", "data/walk.txt"])
def test_a_folder_of_results_serves_one_sequence_too(
    name: str, sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fault: "cannot be read: Is a directory"."""
    (tmp_path / "results" / "data").mkdir(parents=True)
    result(tmp_path / "results" / name)
    for gt in (sequence, sequence.parent):
        code, out, err = outcome(capsys, "--gt", gt, "--result", tmp_path / "results")
        assert (code, err) == (0, "")
        assert out.splitlines()[1].split()[:2] == ["walk", "100.0"]


def test_a_folder_of_results_with_other_names_says_what_it_has(
    sequence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").mkdir()
    result(tmp_path / "results" / "walk-FRCNN.txt")
    for gt in (sequence, sequence.parent):
        code, _, err = outcome(capsys, "--gt", gt, "--result", tmp_path / "results")
        assert code == 2
        assert "it has walk-FRCNN.txt: rename it, or name the file with --result" in err
        assert err.count("\n") == 1
