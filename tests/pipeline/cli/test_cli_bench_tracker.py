"""`relaytrack bench tracker`: the synthetic load, the tables, and the command."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from relaytrack.pipeline.benchmarks import peers, tables
from relaytrack.pipeline.benchmarks.contenders import own_contenders
from relaytrack.pipeline.benchmarks.neighbourhood import Neighbourhood, jittered, neighbourhood_table
from relaytrack.pipeline.benchmarks.speed import Timing, ratio, time_trackers
from relaytrack.pipeline.benchmarks.synthetic import crowd
from relaytrack.pipeline.cli import bench_tracker
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.replay.detection_cache import DetectionCache, write_cache
from relaytrack.trackers import DeepSortParams

QUOTED = """# Report
### y8: some detector

| tracker | walk | other | mean HOTA | mean IDF1 | ms |
|---|---|---|---|---|---|
| best | 99.9 / 98.0 / 3 | 50.0 / 60.0 / 7 | 75.0 | 79.0 | 1.20 |
| worst | 1.0 / 2.0 / 9 | 1.0 / 2.0 / 9 | 1.0 | 2.0 | 0.10 |

## Speed
| tracker | N=20 |
|---|---|
| best | 0.57 |
"""


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the benchmark measure in this process."""
    for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(key, "1")


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A sequence `walk` of two people and the caches of a detector that sees them, with two kinds of embedding."""
    number = np.repeat(np.arange(1, 21), 2)
    left = np.tile([10.0, 400.0], 20) + 3 * number
    xyxy = np.c_[left, np.full(40, 20.0), left + 40, np.full(40, 120.0)].astype(np.float32)
    (tmp_path / "gt" / "walk" / "gt").mkdir(parents=True)
    lines = [f"{f},{i % 2 + 1},{b[0]},{b[1]},40,100,1,1,1\n" for i, (f, b) in enumerate(zip(number, xyxy, strict=True))]
    (tmp_path / "gt" / "walk" / "gt" / "gt.txt").write_text("".join(lines))
    info = "[Sequence]\nname=walk\nframeRate=10\nseqLength=20\n"
    (tmp_path / "gt" / "walk" / "seqinfo.ini").write_text(info)
    for name, dim in (("a", 8), ("b", 4)):
        (tmp_path / name).mkdir()
        vectors = np.eye(dim, dtype=np.float32)[np.tile([0, 1], 20)]
        cache = DetectionCache(number.astype(np.int64), xyxy, np.full(40, 0.9, np.float32), vectors)
        write_cache(tmp_path / name / "walk_y8.npz", cache)
    return tmp_path


def test_crowd_is_what_it_says() -> None:
    load = crowd(10, frames=50)
    assert (load.length, load.size) == (50, (1920, 1080))
    assert len(load) == pytest.approx(10 * 50 * (0.95 + 0.02), rel=0.06)
    assert load.embeddings is not None
    np.testing.assert_allclose(np.linalg.norm(load.embeddings, axis=1), 1, atol=1e-5)
    again = crowd(10, frames=50)
    np.testing.assert_array_equal(load.xyxy, again.xyxy)
    cosine = load.embeddings[load.frames == 1] @ load.embeddings[load.frames == 2].T
    best = np.sort(cosine.max(axis=1))[-8:]
    assert best.mean() == pytest.approx(0.9, abs=0.02)


@pytest.mark.needs("shared")
def test_crowd_is_the_reference_load(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("reference_synth", shared / "bench" / "synth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["synth.py", str(tmp_path)])
    module.gen(20)
    load = crowd(20)
    with np.load(tmp_path / "synth20.npz") as theirs:
        np.testing.assert_array_equal(load.frames, theirs["frame"])
        np.testing.assert_array_equal(load.xyxy, theirs["xyxy"])
        np.testing.assert_array_equal(load.scores, theirs["conf"])
        np.testing.assert_allclose(load.embeddings, theirs["emb"], atol=1e-4)


def test_passes_are_interleaved_and_counted() -> None:
    ours = {one.name: one for one in own_contenders()}
    found = time_trackers([ours["relaytrack"], ours["relaytrack motion only"]], people=5, repeats=2)
    assert [one.tracker for one in found] == ["relaytrack", "relaytrack motion only"]
    assert all(len(one.passes) == 2 and one.milliseconds > 0 for one in found)
    assert found[0].ids >= 5
    slow, quick = Timing("s", 5, 9.0, (2.0, 8.0, 30.0), 5), Timing("q", 5, 1.0, (1.0, 2.0, 3.0), 5)
    assert ratio(slow, quick) == 4.0


def test_quoted_rows_and_their_order() -> None:
    rows = tables.quoted_rows(QUOTED)
    assert list(rows) == ["y8"]
    assert [row.name for row in rows["y8"]] == ["best", "worst"]
    assert rows["y8"][0].cells == {"walk": (99.9, 98.0, 3), "other": (50.0, 60.0, 7)}
    ours = tables.Row("relaytrack", {"walk": (80.0, 70.0, 1), "other": (80.0, 60.0, 2)}, 0.5)
    lines = tables.accuracy_table([*rows["y8"], ours]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| **relaytrack**", "| best (quoted)", "| worst (quoted)"]
    here = tables.Row("best", {"walk": (1.0, 1.0, 1)}, 0.5)
    assert "best (quoted)" not in tables.accuracy_table([*rows["y8"], here])
    assert "| best | 1 | 1.00 |" in tables.summary_table({"y8": [*rows["y8"], here]})
    means = tables.summary_table({"y8": [*rows["y8"], ours], "gt": [ours]}).splitlines()
    assert means[2] == "| **relaytrack** | 2 | 80.00 | 65.00 | 3 |"
    assert means[3] == "| best (quoted) | 2 | 74.95 | 79.00 | 10 |"


@pytest.mark.usefixtures("one_thread")
def test_tables_of_the_command(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scene / "report.md").write_text(QUOTED)
    words = ["bench", "tracker", "--caches", f"{scene}/a", "--caches", f"mine={scene}/b", "--gt", f"{scene}/gt"]
    words += ["--quote", f"{scene}/report.md", "--peers", "--people", "4", "--repeats", "1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "| best (quoted) | 99.9 / 98.0 / 3 |" in out
    assert "| **relaytrack** | " in out
    assert "| sequence | detector | motion only | + cached | + mine |" in out
    assert "| tracker | N=4 | ids at N=4 |" in out
    assert main([*words, "--json", "--plots", f"{scene}/plots"]) == 0
    report = json.loads(capsys.readouterr().out)
    ours = next(row for row in report["accuracy"] if row["tracker"] == "relaytrack")
    # Everybody is found in every frame; the first two go by before the tracks are confirmed.
    assert (ours["sequence"], ours["detector"], ours["IDP"], ours["IDSW"]) == ("walk", "y8", 100, 0)
    assert ours["IDR"] == pytest.approx(90)
    refined = next(row for row in report["accuracy"] if "--refine" in row["tracker"])
    assert refined["IDF1"] == 100
    assert {row["tracker"] for row in report["speed"]} >= {"relaytrack", "relaytrack motion only"}
    assert set(report["appearance"]) == {"motion only", "+ cached", "+ mine"}
    assert (scene / "plots" / "timeline_walk_y8.png").stat().st_size > 5000


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--caches", "a"], "give --caches and --gt together"),
        (["--caches", "gt", "--gt", "gt"], "gt: no cache SEQUENCE_DETECTOR.npz of a sequence in gt"),
        (["--appearance"], "--appearance, --jitter and --plots need"),
        (["--people", "0"], "must be at least 1"),
        (["--jitter", "2"], "--jitter and --plots need"),
        (["--variant", "fast"], "write NAME:KEY=VALUE"),
        (["--variant", "fast:max_aeg=1"], "no setting 'max_aeg'"),
        (["--variant", "fast:max_age=-1"], "max_age"),
        (["--peers", "sort1998"], "'sort1998' is not installed"),
        (["--caches", "a", "--gt", "gt", "--peers", "--quote", "none.md"], "none.md: cannot be read"),
    ],
)
def test_bad_options(
    words: list[str], said: str, scene: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(scene)
    assert main(["bench", "tracker", *words]) == 2
    assert said in capsys.readouterr().err


def test_command_runs_itself_in_one_thread(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for key in bench_tracker._ONE_THREAD:
        monkeypatch.setenv(key, "2")
    assert main(["bench", "tracker", "--peers", "sort1998"]) == 2
    assert "'sort1998' is not installed" in capfd.readouterr().err


@pytest.mark.usefixtures("one_thread")
def test_variants_and_neighbourhood(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A variant that confirms at once misses no frame; sets around the defaults differ from them and each other."""
    words = ["bench", "tracker", "--caches", f"{scene}/a", "--gt", f"{scene}/gt", "--peers", "--people", "--json"]
    assert main([*words, "--variant", "at once:n_init=1,max_age=1.5"]) == 0
    rows = {row["tracker"]: row for row in json.loads(capsys.readouterr().out)["accuracy"]}
    assert rows["relaytrack at once"]["IDR"] == 100 > rows["relaytrack"]["IDR"]
    assert main([*words, "--jitter", "3"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cells"] == ["walk y8"]
    assert np.shape(report["sets_detected"]) == (4, 1, 2)
    assert report["sets_detected"][0][0][1] == pytest.approx(rows["relaytrack"]["IDF1"])
    sets = list(jittered(DeepSortParams(), 20))
    ages = np.array([one.max_age for one in sets]) / DeepSortParams().max_age
    assert len(set(ages)) == 20
    assert 0.85 <= ages.min() < 0.95 < 1.05 < ages.max() <= 1.15
    assert sets == list(jittered(DeepSortParams(), 20))
    table = neighbourhood_table(Neighbourhood(("walk y8", "walk gt"), np.ones((3, 2, 2)), np.ones((3, 2, 2))))
    assert "| **mean of real detections** | detected | 1.0 / 1.0 |" in table


def test_peers_are_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "_present", lambda package: package == "deep_sort_realtime")
    assert [one.name for one in peers.installed_peers()] == ["dsr"]
    monkeypatch.setattr(peers, "_present", lambda package: package == "boxmot")
    names = [one.name for one in peers.installed_peers()]
    assert {"botsort", "botsort@.3", "strongsort@.3"} <= set(names)
    assert {one.name for one in peers.installed_peers() if not one.appearance} == {
        "bytetrack", "bytetrack@.3", "ocsort", "ocsort@.3",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["u_botsort+reid", "u_bytetrack"])
def test_ultralytics_follows_the_crowd(name: str) -> None:
    """The dependency at hand runs behind the adapter: five walkers keep five ids, boxes lie on the detections."""
    peer = next(one for one in peers.installed_peers() if one.name == name)
    load, run, seen = crowd(5, frames=30), peer.start(30.0), set[int]()
    for index, rows in enumerate(load.per_frame()):
        vectors = None if load.embeddings is None else load.embeddings[rows]
        ids, xyxy = run(load.xyxy[rows], load.scores[rows], vectors, index / 30)
        seen |= set(ids.tolist())
        assert len(ids) == len(xyxy) <= rows.stop - rows.start
    assert 5 <= len(seen) <= 7
