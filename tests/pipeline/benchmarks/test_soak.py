"""Endurance: what a line through samples says, and short soaks of looped cameras and of recorded detections."""

from __future__ import annotations

import csv
import json
import math
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.world import Eyes, Looks

from relaytrack.pipeline.benchmarks import looped_cameras
from relaytrack.pipeline.benchmarks import soak as soak_module
from relaytrack.pipeline.benchmarks.ending import Ending
from relaytrack.pipeline.benchmarks.growth import growth, joint_verdict
from relaytrack.pipeline.benchmarks.looped_cameras import write_clip
from relaytrack.pipeline.benchmarks.recorded_soak import soak_recorded
from relaytrack.pipeline.benchmarks.resources import Resources, folder_mib
from relaytrack.pipeline.benchmarks.samples_log import Row, SamplesLog
from relaytrack.pipeline.benchmarks.soak import COLUMNS, SoakPlan, soak, steadiness
from relaytrack.pipeline.benchmarks.synthetic import crowd
from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.records import Image
from relaytrack.pipeline.replay.detection_cache import DetectionCache, write_cache

DAY = 86_400.0


def test_a_line_through_samples_tells_growth_from_noise() -> None:
    chance = np.random.default_rng(1)
    seconds = np.arange(0, 5400, 5.0)
    quiet = 800 + chance.normal(0, 0.05, len(seconds))
    leak = quiet + seconds * 1.0 / 3600  # a MiB an hour: 3 % a day
    assert growth(seconds, quiet, horizon=DAY, limit=2.0).verdict == "holds"
    found = growth(seconds, leak, horizon=DAY, limit=2.0)
    assert found.percent == pytest.approx(3.0, abs=0.2)
    assert found.verdict == "grows"
    assert growth(seconds, 800 + chance.normal(0, 20, len(seconds)), horizon=DAY, limit=2.0).verdict == "not shown"


def test_steps_of_memory_do_not_pass_for_certainty() -> None:
    """Neighbouring samples are alike: one step in the middle is no proof of growth, nor of none."""
    seconds = np.arange(0, 5400, 5.0)
    step = np.where(seconds < 2700, 800.0, 803.0)
    found = growth(seconds, step, horizon=DAY, limit=2.0)
    assert found.margin > 1.0
    assert found.margin > 5 * 0.1


def test_missing_and_few_samples() -> None:
    assert growth([0, 1, 2], [5, 5, 5], horizon=DAY, limit=2.0).verdict == "too few samples"
    some = [math.nan if n % 3 else 4.0 for n in range(90)]
    assert growth(range(90), some, horizon=10, limit=2.0).verdict == "holds"
    good, bad = growth(range(90), [1.0] * 90, horizon=1, limit=1), growth(range(90), range(1, 91), horizon=90, limit=1)
    assert joint_verdict([good, bad]) == "grows"


def test_samples_are_no_growth_of_their_own(tmp_path: Path) -> None:
    """Fault: the samples lay in memory, too: one a second were 0.3 MiB an hour, 0.9 % of a run in a day."""
    with SamplesLog(tmp_path / "soak.csv", COLUMNS) as log:
        for count in range(200):
            log.add(dict.fromkeys(COLUMNS, 1.0) | {"seconds": float(count), "age_p50": None, "rss_mib": 800.5})
        tracemalloc.start()
        try:
            for count in range(200, 4200):
                log.add(dict.fromkeys(COLUMNS, 1.0) | {"seconds": float(count), "age_p50": None, "rss_mib": 800.5})
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 40_000, "4,000 samples of 12 values"
        assert len(log) == len(log.rows) == 4200
        log.add(dict.fromkeys(COLUMNS, 2.0))  # after it was read, it goes on at the end
    assert log.rows[4199] == dict.fromkeys(COLUMNS, 1) | {"seconds": 4199, "age_p50": None, "rss_mib": 800.5}
    assert log.rows[-1]["seconds"] == 2
    assert log.growth("rss_mib", over="seconds", after=100, horizon=DAY, limit=2).verdict == "holds"


def test_samples_do_not_meet_the_same_moment_of_every_frame(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Fault: at one frame a second and one sample a second, each met the same moment of a frame's way for minutes."""
    places = [0.0]

    def wait(self: Ending, seconds: float) -> bool:
        places.append(places[-1] + seconds)
        return len(places) > 400

    monkeypatch.setattr(Ending, "wait", wait)
    monkeypatch.setattr(soak_module, "_sample", lambda seconds, *_: dict.fromkeys(COLUMNS, seconds))
    run = SimpleNamespace(start=lambda: None, status=lambda: SimpleNamespace(state="running"))
    plan = SoakPlan([], every=1.0, seconds=math.inf)
    with SamplesLog(tmp_path / "soak.csv", COLUMNS) as log:
        soak_module._follow(run, plan, tmp_path, log, lambda text: None, Ending())  # type: ignore[arg-type]
    parts = np.histogram(np.array(places) % 1.0, 4, (0.0, 1.0))[0]
    assert parts.min() > 60, "of 100 in each quarter of the way"
    assert places[-1] == pytest.approx(400, rel=0.1)


def test_resources_are_those_of_this_process(tmp_path: Path) -> None:
    def grown() -> float:
        before = Resources.now()
        ballast = np.ones(2**24)  # 128 MiB
        with open(tmp_path / "one", "wb") as file:
            file.write(bytes(2**20))
            now = Resources.now()
        assert now.files == before.files + 1
        return (now.rss_mib - before.rss_mib) / (ballast.nbytes / 2**20)

    assert max(grown() for _ in range(3)) > 0.9  # what earlier tests held may be given back at the same moment
    assert folder_mib(tmp_path) == pytest.approx(1.0, abs=0.01)


def _soaked(clip: Path, out: Path, transport: str) -> None:
    plan = SoakPlan([clip], cameras=2, seconds=6.0, rate=5.0, every=0.25, warm_up=1.0, transport=transport)  # type: ignore[arg-type]
    config = Config.model_validate({"output": {"report": False}})
    figures = soak(config, plan, out, lambda text: None, detector=Eyes(), embedder=Looks())
    with open(out / "soak.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 10
    assert tuple(rows[0]) == COLUMNS
    assert figures == json.loads((out / "soak.json").read_text())
    assert figures["frames"] == int(rows[-1]["frames"]) >= 20
    assert figures["reconnects"] == 0
    assert len({row["files"] for row in rows[len(rows) // 2 :]}) <= 3
    assert (out / "run" / "run.json").exists()


def test_a_short_soak_over_files(make_video: Callable[..., Path], tmp_path: Path) -> None:
    _soaked(make_video(frames=12, rate=10), tmp_path / "o", "file")


@pytest.mark.needs("rtsp")
def test_a_short_soak_over_rtsp(make_video: Callable[..., Path], tmp_path: Path) -> None:
    """The clip lasts 1.2 s: it begins anew five times without a loss."""
    _soaked(make_video(frames=12, rate=10), tmp_path / "o", "rtsp")


def test_without_gstreamer_it_says_so(
    monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(looped_cameras, "python_with_gstreamer", lambda: None)
    words = ["bench", "soak", "--source", make_video(frames=3), "--rate", "1", "--out", tmp_path / "o"]
    assert main([str(word) for word in words]) == 2
    assert "GStreamer's RTSP server is not here" in capsys.readouterr().err


def _small_crowd() -> DetectionCache:
    made = crowd(6, frames=30)
    return DetectionCache(made.frames, made.xyxy, made.scores, made.embeddings, np.arange(30) / 10.0, (1920, 1080))


def test_recorded_detections_go_through_everything_but_the_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cache(tmp_path / "a.npz", _small_crowd())
    words = ["bench", "soak", "--recorded", "400", "--caches", tmp_path / "a.npz", "--caches", tmp_path / "a.npz"]
    settings = ["--set", f"output.store={tmp_path / 'people.db'}", "--out", tmp_path / "o", "--json"]
    assert main([str(word) for word in words + settings]) in (0, 1)  # so short a run may grow
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 400
    assert figures["tracks"] >= 2 * 6 * 2, "each turn begins new tracks"
    assert figures["clock_hours"] > 0.2, "hours go by on the run's clock"
    assert figures["growth"]["files"]["verdict"] == "holds"
    run = tmp_path / "o" / "run"
    assert len(list((run / "tracks" / "cam1").glob("*.txt"))) > 2
    assert json.loads((run / "events.jsonl").read_text().splitlines()[0])
    assert (tmp_path / "people.db").exists()


def test_recorded_soaks_are_repeatable(tmp_path: Path) -> None:
    def run(name: str) -> bytes:
        soak_recorded(Config(), [_small_crowd()], 150, tmp_path / name, lambda text: None)
        files = sorted((tmp_path / name / "run" / "global").rglob("*.txt"))
        return b"".join(file.read_bytes() for file in files)

    assert run("a") == run("b") != b""


def _rows(rates: list[float], lost: float = 0.0) -> list[Row]:
    """Samples of every 5 seconds; each rate (frames per second) holds for 50 seconds."""
    frames = np.cumsum([0.0, *(5 * rate for rate in rates for _ in range(10))])
    return [
        {"seconds": 5.0 * k, "frames": int(done), "dropped": int(done * lost)} for k, done in enumerate(frames.tolist())
    ]


def test_a_starved_run_is_no_steady_one() -> None:
    assert steadiness(_rows([4, 4, 4, 4])) == pytest.approx(1.0, abs=0.02)
    assert steadiness(_rows([4, 4, 1, 4])) == pytest.approx(0.25, abs=0.05), "it stood still for a while"
    assert steadiness(_rows([4, 4, 4, 4], lost=3.0)) == pytest.approx(0.25, abs=0.02), "three of four were dropped"
    assert steadiness(_rows([])) == 1.0, "too few samples are said elsewhere"


def test_tables_of_a_live_soak_are_full_within_its_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: with the tables of a site it grew for hours, up to their limits, and was told to grow for ever."""
    asked: list[tuple[Config, SoakPlan]] = []

    def note(config: Config, plan: SoakPlan, *_: object, **__: object) -> dict[str, Any]:
        asked.append((config, plan))
        return {"verdict": "holds"}

    monkeypatch.setattr(soak_module, "soak", note)
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text("cameras: []\nidentities: {margin: 0.1}\n")
    for words in ([], ["--set", "identities.window=300"], ["own.yaml"]):
        assert main(["bench", "soak", "--out", "o", *words]) == 0
    small, changed, own = (config for config, _ in asked)
    assert (small.identities.window, small.identities.max_identities, small.output.disk_limit_gb) == (100, 100, 0.05)
    assert (changed.identities.window, changed.identities.max_identities) == (300, 100)
    assert own.identities == replace(Config().identities, margin=0.1)
    assert [plan.warm_up for _, plan in asked] == [2400.0] * 3
    assert [plan.seconds for _, plan in asked] == [9000.0] * 3


def test_a_starved_soak_says_so_and_tells_no_slope(
    make_video: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: a machine that was too busy for most frames gave a slope of memory as if it had worked."""

    class Slow(Eyes):
        def detect(self, images: list[Image]) -> Any:
            time.sleep(0.4 * len(images))
            return super().detect(images)

    monkeypatch.setattr(
        soak_module, "Pipeline", lambda config, **parts: Pipeline(config, detector=Slow(), embedder=Looks())
    )
    words = ["--cameras", "2", "--transport", "file", "--rate", "8", "--minutes", "0.1", "--warm-up", "0.02"]
    words += ["--source", str(make_video(frames=40, rate=20)), "--every", "0.1", "--out", str(tmp_path / "o")]
    assert main(["bench", "soak", *words, "--set", "output.report=false", "--set", "run.adapt=false"]) == 1
    said = capsys.readouterr()
    assert "verdict: starved" in said.out
    assert "the machine was too busy" in said.err


def test_what_the_end_of_a_run_takes_is_not_sampled(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the last sample was of a run that wrote its lists and report, 200 MiB more in one case."""
    kept: list[Row] = []

    class Kept(SamplesLog):
        def add(self, row: Row) -> None:
            kept.append(row)  # its seconds are not rounded yet
            super().add(row)

    monkeypatch.setattr(soak_module, "SamplesLog", Kept)
    plan = SoakPlan([make_video(frames=12, rate=10)], cameras=1, seconds=1.0, rate=5.0, every=0.01, transport="file")
    soak(Config(), plan, tmp_path / "o", lambda text: None, detector=Eyes(), embedder=Looks())
    with open(tmp_path / "o" / "soak.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(kept) > 0
    assert max(float(row["seconds"] or 0.0) for row in kept) < 1.0


def test_the_cost_of_a_frame_is_told_along_the_run(tmp_path: Path) -> None:
    figures = soak_recorded(Config(), [_small_crowd()], 600, tmp_path, lambda text: None)
    assert len(figures["cpu_ms_per_frame"]) == 4
    assert all(0 < cost < 1000 for cost in figures["cpu_ms_per_frame"])


@pytest.mark.parametrize("size", [(1, 1), (63, 49)])
def test_a_clip_of_any_size_can_be_played_in_a_circle(
    make_video: Callable[..., Path], tmp_path: Path, size: tuple[int, int]
) -> None:
    """Fault: pictures with an odd side, or tiny ones, were a traceback of the encoder's."""
    clip = make_video("odd.mkv", 6, size=size, codec="ffv1", rate=10)
    made = write_clip(clip, tmp_path / "c.json")
    assert len(json.loads(made.read_text())["sizes"]) == 6


def test_what_cannot_be_played_in_a_circle_is_told_in_words(make_video: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no video\n")
    sound = make_video("a.m4a", audio=True, video=False)
    wrong = ((tmp_path / "a.txt", "no video that can be read"), (sound, "no video in it"), (Path("gone"), "not found"))
    for file, words in wrong:
        with pytest.raises(InputError, match=f"{file}: cannot be played in a circle: {words}"):
            write_clip(file, tmp_path / "c.json")


def test_samples_rarer_than_the_run_is_long_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: the command waited for its first sample long after the run's end."""
    assert main(["bench", "soak", "--minutes", "1", "--every", "1e9", "--out", str(tmp_path)]) == 2
    assert "--every: 1e+09 seconds are longer than the whole measurement" in capsys.readouterr().err


def test_a_missing_video_is_told_before_the_measuring(capsys: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    assert main(["bench", "cluster", "--cameras", "500", "--video", "gone.mp4"]) == 2
    assert "no such file: gone.mp4" in capsys.readouterr().err
    assert time.monotonic() - begin < 30
