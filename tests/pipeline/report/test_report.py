"""The report: what it computes, that it escapes, and that a real browser shows it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.steps import Shot, step_of

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.palette import identity_color
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.report import write_report
from relaytrack.pipeline.report.charts import time_axis
from relaytrack.pipeline.report.evidence import evidence
from relaytrack.pipeline.report.links import address
from relaytrack.pipeline.results.doubts import Doubt, doubts
from relaytrack.pipeline.results.identities import CameraRecord, TrackRecord
from relaytrack.pipeline.results.identities_writing import write_identities
from relaytrack.pipeline.results.run_data import RunData, load_run
from relaytrack.pipeline.results.visits import Visit, counts, rows_of, transitions, visits
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.pipeline.sinks.mot import MotSink
from relaytrack.pipeline.sinks.video import VideoSink


def _record(camera: str, track: int, *spans: tuple[float, float]) -> TrackRecord:
    return TrackRecord(camera, track, spans[0][0], spans[-1][1], 10, [list(span) for span in spans])


def _write_run(folder: Path, cameras: tuple[str, ...] = ("a", "b"), *, video: bool = True) -> None:
    """Person 1 walks from the first camera to the second; person 2 (alike) and 3 stay in the first."""
    folder.mkdir(exist_ok=True)
    sinks = [IdentitiesSink(folder, cameras), MotSink(folder, cameras)]
    if video:
        sinks.append(VideoSink(folder / "video"))
    looks = {1: [1.0, 0.0, 0.0], 2: [0.96, 0.28, 0.0], 3: [0.0, 0.0, 1.0]}

    def seen(camera: str, index: int, people: list[int]) -> Shot:
        image = np.full((240, 320, 3), 120, np.uint8)
        image[40:200] = np.random.default_rng(index).integers(0, 255, (160, 320, 3), np.uint8)
        boxes = np.array([[20 + 60 * person, 40, 60 + 60 * person, 150] for person in people], np.float32)
        return Shot.of(
            Frame(camera, index + 1, index / 4, image),
            np.array(people, np.int64),
            np.array(people, np.int64),
            boxes.reshape(-1, 4),
            np.full(len(people), 0.9, np.float32),
            embeddings=np.array([looks[person] for person in people], np.float32).reshape(-1, 3),
        )

    for index in range(80):
        first = ([1] if index < 20 else []) + ([2] if 40 <= index < 60 else []) + ([3] if index < 70 else [])
        step = step_of(seen(cameras[0], index, first), seen(cameras[1], index, [1] if 30 <= index < 50 else []))
        for sink in sinks:
            sink.write(step)
    for sink in sinks:
        sink.close()
    run = {"started": "2026-11-20T12:00:00+00:00", "final": True, "versions": {"relaytrack": "0.1.0"}}
    (folder / "run.json").write_text(json.dumps(run))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    _write_run(folder)
    write_report(folder)
    return folder


# figures


def test_stays_join_short_absences_and_tracks_of_one_camera() -> None:
    found = visits(1, [_record("a", 1, (0, 3), (6, 9)), _record("b", 1, (4, 5)), _record("a", 2, (20, 30))])
    assert found == [Visit(1, "a", 0, 9), Visit(1, "b", 4, 5), Visit(1, "a", 20, 30)]


def test_transitions_measure_from_leaving_to_entering() -> None:
    walks = [
        [Visit(1, "a", 0, 10), Visit(1, "b", 14, 20), Visit(1, "a", 21, 30)],
        [Visit(2, "a", 0, 12), Visit(2, "b", 11, 20)],
        [Visit(3, "a", 0, 1), Visit(3, "a", 31, 40)],
    ]
    assert transitions(walks) == {("a", "b"): [4, -1], ("b", "a"): [1], ("a", "a"): [30]}


def test_counts_count_people_not_tracks() -> None:
    cameras = {"a": CameraRecord(10, 0.0, 10.0, 10)}
    people = {1: [_record("a", 1, (0, 4)), _record("a", 2, (3, 6))], 2: [_record("a", 3, (4, 9.9))]}
    edges, table = counts(RunData(Path(), cameras, people), bins=10)
    np.testing.assert_allclose(edges, np.arange(10))
    assert table["a"].tolist() == [1, 1, 1, 1, 2, 2, 2, 1, 1, 1]


def test_stays_in_one_row_never_overlap() -> None:
    rng = np.random.default_rng(3)
    stays = [
        Visit(k, "a", float(first), float(first + rng.uniform(0, 20))) for k, first in enumerate(rng.uniform(0, 99, 60))
    ]
    placed = rows_of(stays)
    assert len(placed) == 60
    for one in stays:
        for other in stays:
            if one is not other and placed[one] == placed[other]:
                assert one.last < other.first or other.last < one.first


def test_doubts_find_the_look_alike_and_leave_out_those_who_met(run: Path) -> None:
    data = load_run(run)
    [first] = [doubt for doubt in doubts(data) if not doubt.joined]
    assert {first.one[0], first.other[0]} == {1, 2}
    assert first.similarity == pytest.approx(0.96, abs=0.01)
    data.people[2][0].spans[0] = [1.0, 15.0]  # had they been in camera a at once, they would be two people
    assert not any({doubt.one[0], doubt.other[0]} == {1, 2} and not doubt.joined for doubt in doubts(data))


def test_doubts_find_the_track_that_fits_worse_than_a_stranger(run: Path) -> None:
    data = load_run(run)
    data.people[3] += [track for track in data.people[1] if track.camera == "b"]
    data.people[1] = [track for track in data.people[1] if track.camera == "a"]
    weak = [doubt for doubt in doubts(data) if doubt.joined]
    assert weak[0].one[0] == 3
    assert weak[0].rival is not None
    assert weak[0].rival[0] == 1
    assert weak[0].weight > 0.9


def test_a_large_run_is_reported_in_little_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = []
    for number in range(3000):
        first = float(rng.uniform(0, 36_000))
        records.append((_record("ab"[number % 2], number, (first, first + 20)), number // 2))
    cameras = {name: CameraRecord(900_000, 0.0, 36_000.0, 900_000) for name in "ab"}
    write_identities(tmp_path, cameras, records)
    vectors = rng.normal(size=(3000, 64)) + 2.0  # everybody is alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([record.camera for record, _ in records])
    tracks = np.array([record.track for record, _ in records])
    np.savez(tmp_path / "embeddings.npz", camera=names, track=tracks, embedding=vectors.astype(np.float32))
    started = time.process_time()
    page = write_report(tmp_path)
    assert time.process_time() - started < 10
    assert page.stat().st_size < 5_000_000
    assert "The first 300 of 1,500 are shown" in page.read_text()


def test_videos_are_found_at_the_cameras_own_time(run: Path) -> None:
    data = load_run(run)
    data.cameras["b"].first = 5.0
    assert data.video_at("b", 12.0) == ("video/b.mp4", 6.0)
    assert data.video_at("b", 5.2) == ("video/b.mp4", 0.0)
    assert data.video_at("c", 5.2) is None


def test_videos_with_shortened_pauses_are_found_at_the_right_second(run: Path) -> None:
    data = load_run(run)
    record = CameraRecord()
    for index, moment in enumerate([5.0, 6.0, 7.0, 9007.0, 9008.0, 99_008.0, 99_009.0], 1):
        record.seen(index, moment)
    data.cameras["b"] = record
    found = [data.video_at("b", moment, lead=0.0) for moment in (6.0, 7.0, 4000.0, 9006.0, 9007.0, 99_009.0)]
    assert [place[1] for place in found if place] == pytest.approx([1.0, 2.0, 4.0, 4.0, 4.0, 8.0])


def test_segments_of_live_runs_are_found_by_their_dates(tmp_path: Path) -> None:
    for name in ("20261120T120000", "20261120T121000"):
        path = tmp_path / "video" / "a" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    zero = 1795176000.0  # 2026-11-20 12:00:00 UTC
    data = RunData(tmp_path, {"a": CameraRecord(1, 0.0, 900.0, 1)}, {}, clock_zero=zero)
    assert data.video_at("a", 100.0) == ("video/a/20261120T120000.mp4", 99.0)
    assert data.video_at("a", 660.0) == ("video/a/20261120T121000.mp4", 59.0)


@pytest.mark.parametrize("seconds", [0.5, 7.0, 113.4, 5000.0, 300_000.0, 9e8, 6.7e11])
def test_time_axis_has_a_few_ticks(seconds: float) -> None:
    data = RunData(Path(), {"a": CameraRecord(1, 0.0, seconds, 1)}, {})
    assert 2 <= len(time_axis(data)) <= 9


def test_live_runs_show_the_time_of_day() -> None:
    data = RunData(Path(), {"a": CameraRecord(1, 0.0, 120.0, 1)}, {}, clock_zero=1795176010.0)  # 10 s past a minute
    assert data.moment(50.0).endswith(":01:00")
    assert [tick.text[-2:] for tick in time_axis(data)] == ["30", "00", "30", "00"]


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run of RelayTrack"):
        write_report(tmp_path)
    (tmp_path / "identities.json").write_text("{}")
    with pytest.raises(InputError, match="not a file of this version"):
        write_report(tmp_path)


def test_nobody_seen(tmp_path: Path) -> None:
    IdentitiesSink(tmp_path, ["a"]).close()
    assert "Nobody was seen" in write_report(tmp_path).read_text()


# the page


def test_addresses_of_files_are_safe_whatever_their_names_are() -> None:
    assert address("video/a b.mp4", "t=1.0") == "video/a%20b.mp4#t=1.0"
    assert address('javascript:alert("1")').startswith("javascript%3Aalert")


class _Outline(HTMLParser):
    """Collects tags and attributes, checking that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_from_outside(run: Path) -> None:
    page = (run / "report.html").read_text()
    outline = _Outline()
    outline.feed(page)
    assert not outline.open
    for name, attributes in outline.tags:
        for key in ("src", "href"):
            value = attributes.get(key)
            if value is None:
                continue
            assert value.startswith(("data:image/jpeg;base64,", "#", "video/")), (name, value)
            if value.startswith("video/"):
                assert (run / value.split("#")[0]).exists()
            if value.startswith("#"):
                assert f'id="{value[1:]}"' in page
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_what_comes_from_outside_is_escaped(tmp_path: Path) -> None:
    evil = "<script>document.title='evil'</script>\"><img src=x onerror=document.title='evil'>"
    folder = tmp_path / evil.replace("/", "")
    _write_run(folder, video=False)
    (folder / "run.json").write_text(json.dumps({"started": evil, "versions": {"relaytrack": evil}}))
    content = json.loads((folder / "identities.json").read_text())
    for person in content["identities"]:
        for track in person["tracks"]:
            for crop in track["crops"]:
                crop["file"] = "../../../../etc/passwd" if track["camera"] == "a" else crop["file"]
    (folder / "identities.json").write_text(json.dumps(content))
    page = write_report(folder).read_text()
    outline = _Outline()
    outline.feed(page)
    assert [name for name, _ in outline.tags].count("script") == 1
    assert not [attributes for _, attributes in outline.tags if any(key.startswith("on") for key in attributes)]
    assert "root:" not in page
    images = [attributes["src"] for name, attributes in outline.tags if name == "img"]
    assert len(images) == page.count("data:image/jpeg")
    content["cameras"][evil] = content["cameras"].pop("b")
    (folder / "identities.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="not a file of this version"):
        write_report(folder)


# a real browser


def _chromium(folder: Path, page: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars", "--enable-logging=stderr"]
    done = subprocess.run(
        [*command, *arguments, page.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def _complaints(log: str) -> list[str]:
    return [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.mark.needs("chromium")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (412, False)])
def test_a_browser_shows_it_without_complaints(run: Path, tmp_path: Path, width: int, dark: bool) -> None:
    picture = tmp_path / "page.png"
    scheme = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    done = _chromium(tmp_path, run / "report.html", f"--window-size={width},2400", f"--screenshot={picture}", *scheme)
    assert not _complaints(done.stderr)
    image = cv2.imread(str(picture))
    assert image is not None
    assert image.shape[1] == width
    ground = image[5, 5].mean()
    assert ground < 40 if dark else ground > 230
    for person in (1, 2, 3):
        color = np.array(identity_color(person)[::-1])  # chips and bars: the videos' colours
        assert (np.abs(image.astype(int) - color).max(axis=2) <= 2).sum() > 150


_PROBE = """<script>addEventListener("load", () => {
  const out = { wide: document.documentElement.scrollWidth, images: [...document.images].length };
  out.loaded = [...document.images].filter((image) => { image.loading = "eager"; return true; }).length;
  out.fading = document.querySelectorAll(".scroll.more-right").length;
  document.querySelector("a[data-at]").click();
  out.open = document.querySelector("dialog").open;
  out.source = document.querySelector("video").getAttribute("src");
  document.title = JSON.stringify(out);
});</script></body>"""


@pytest.mark.needs("chromium")
def test_it_fits_a_phone_and_plays_in_the_page(run: Path, tmp_path: Path) -> None:
    page = (run / "report.html").read_text()
    probed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace("</body>", _PROBE)
    (run / "probed.html").write_text(probed)
    done = _chromium(tmp_path, run / "probed.html", "--window-size=500,900", "--dump-dom")
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    found = json.loads(title[1].replace("&quot;", '"'))
    assert found["wide"] <= 500
    assert found["fading"] >= 1, "the time line is wider, and shows it"
    assert found["open"] is True
    assert found["source"].startswith("video/")


_USE = """<script>addEventListener("load", () => setTimeout(() => {
  const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
  const field = document.querySelector(".filter input");
  const type = (text) => { field.value = text; field.dispatchEvent(new Event("input")); };
  const out = { all: seen(".person").length, strips: document.querySelectorAll(".strip.more-right").length };
  const strip = document.querySelector(".strip.more-right");
  if (strip) {
    strip.scrollLeft = 1e6;
    strip.dispatchEvent(new Event("scroll"));
    out.end = [strip.classList.contains("more-left"), strip.classList.contains("more-right")];
  }
  type("2, 3");
  out.typed = seen(".person").map((one) => one.id);
  out.bars = seen(".bar").length;
  out.said = document.querySelector(".filter output").textContent;
  type("");
  document.querySelector('.filter button[data-cam="1"]').click();
  out.camera = seen(".person").map((one) => one.id);
  document.querySelector('.filter button[data-cam="1"]').click();
  out.back = seen(".person").length;
  const links = [...document.querySelectorAll("nav a")].map((one) => one.getBoundingClientRect());
  out.cut = links.filter((box) => box.left < 0 || box.right > innerWidth).length;
  document.title = JSON.stringify(out);
}, 200));</script></body>"""


def _used(page: Path, tmp_path: Path, width: int) -> dict[str, Any]:
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    page.with_name("used.html").write_text(text.replace("</body>", _USE))
    arguments = (f"--window-size={width},900", "--virtual-time-budget=3000", "--dump-dom")
    done = _chromium(tmp_path, page.with_name("used.html"), *arguments)
    assert not _complaints(done.stderr)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    found: dict[str, Any] = json.loads(title[1].replace("&quot;", '"'))
    return found


@pytest.mark.needs("chromium")
def test_a_filter_leaves_some_people_or_cameras_and_strips_show_that_they_scroll(run: Path, tmp_path: Path) -> None:
    content = json.loads((run / "identities.json").read_text())
    people = {f"person-{one['id']}": one for one in content["identities"]}
    first = next(iter(people.values()))["tracks"][0]
    first["crops"] = [dict(first["crops"][0], time=0.1 * k) for k in range(14)]
    folder = tmp_path / "long"
    shutil.copytree(run, folder)
    (folder / "identities.json").write_text(json.dumps(content))
    found = _used(write_report(folder), tmp_path, 600)
    assert found["all"] == found["back"] == len(people)
    assert found["strips"] >= 1
    assert found["end"] == [True, False]
    assert sorted(found["typed"]) == ["person-2", "person-3"]
    assert found["said"] == f"2 of {len(people)} people"
    second = list(content["cameras"])[1]
    assert sorted(found["camera"]) == sorted(name for name, one in people.items() if second in one["cameras"])
    assert found["cut"] == 0, "no link of the navigation is cut off"
    assert 0 < found["bars"] < sum(len(one["tracks"]) for one in people.values()) + 1


def test_each_camera_has_a_still_of_its_busiest_moment(run: Path, tmp_path: Path) -> None:
    page = (run / "report.html").read_text()
    section = page[page.index('<section id="cameras">') : page.index("</section>")]
    pictures = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', section)
    assert len(pictures) == 2
    for data in pictures:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.std() > 5
    folder = tmp_path / "damaged"
    shutil.copytree(run, folder)
    for video in (folder / "video").glob("*.mp4"):
        video.write_bytes(video.read_bytes()[:100])
    assert "there are no pictures of their scenes" in write_report(folder).read_text()


def test_a_long_route_is_shortened(tmp_path: Path) -> None:
    cameras = {f"camera_{number}": CameraRecord(100, 0.0, 100.0, 100) for number in range(3)}
    tracks = [
        TrackRecord(f"camera_{k % 3}", k, 10.0 * k, 10.0 * k + 5, 50, [[10.0 * k, 10.0 * k + 5]]) for k in range(40)
    ]
    write_identities(tmp_path, cameras, [(track, 7) for track in tracks])
    page = write_report(tmp_path).read_text()
    shown = re.search(r'<span class="route" title="([^"]+)">([^<]+)</span>', page)
    assert shown is not None
    assert shown[1].count("→") == 39
    assert shown[2] == "camera_0 → camera_1 → … 37 more … → camera_0"


def test_doubtful_decisions_tell_their_evidence(tmp_path: Path) -> None:
    def track(camera: str, number: int, first: float, last: float) -> TrackRecord:
        return TrackRecord(camera, number, first, last, 50, [[first, last]])

    people = {
        1: [track("a", 1, 0, 10), track("b", 1, 13, 20)],
        2: [track("a", 2, 5, 15), track("b", 2, 18.5, 30)],
        3: [track("a", 3, 40, 50)],
        4: [track("b", 4, 57, 70)],
    }
    data = RunData(tmp_path, {"a": CameraRecord(9, 0, 99, 9), "b": CameraRecord(9, 0, 99, 9)}, people)
    stays = {person: visits(person, tracks) for person, tracks in people.items()}
    ways = transitions(list(stays.values()))

    def told(doubt: Doubt) -> list[str]:
        return evidence(data, doubt, stays, ways)

    apart = Doubt(False, (3, people[3][0]), (4, people[4][0]), 0.97, 0.1)
    assert told(apart) == ["3 left a 7.0 s before 4 came into b: the median of 2 such ways is 3.2 s."]
    joined = Doubt(True, (1, people[1][1]), (1, people[1][0]), 0.87, 0.1, (2, people[2][1]), 0.9)
    assert told(joined) == [
        "3.0 s from a to b: the median of 2 such ways is 3.2 s.",
        "1 and 2 were in b at the same time (from 0:18.5 on, 1.5 s): two people.",
    ]
    back = Doubt(False, (4, people[4][0]), (3, people[3][0]), 0.97, 0.1)
    assert told(back) == told(apart)
    nobody = Doubt(False, (2, people[2][0]), (3, people[3][0]), 0.97, 0.1)
    assert told(nobody) == ["2 left b 10.0 s before 3 came into a: a way that nobody took."]
    elsewhere = Doubt(False, (1, people[1][0]), (2, people[2][1]), 0.97, 0.1)
    assert told(elsewhere)[0].startswith("1 and 2 were in a at the same time (from 0:05.0 on, 5.0 s)")


@pytest.mark.needs("chromium")
def test_the_policy_lets_the_pages_own_script_run_and_no_other(run: Path, tmp_path: Path) -> None:
    page = (run / "report.html").read_text()
    (run / "injected.html").write_text(page.replace("</body>", "<script>document.title = 'evil'</script></body>"))
    done = _chromium(tmp_path, run / "injected.html", "--dump-dom")
    assert "<title>evil" not in done.stdout
    assert any("Content Security Policy" in line for line in _complaints(done.stderr))


class _Flat:
    """A camera that looks straight down: 50 pixels are a metre."""

    def project(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(points) / 50.0


def test_the_map_appears_with_calibrated_cameras(run: Path) -> None:
    assert '<section id="map">' not in (run / "report.html").read_text()
    page = write_report(run, {"a": _Flat()}).read_text()
    write_report(run)
    assert '<section id="map">' in page
    lines = re.findall(r'<polyline points="([^"]+)"', page)
    text = run / "global" / "a.txt"
    text.parent.joinpath("a").mkdir()
    text.rename(text.parent / "a" / "20261120T120000.txt")  # a live run
    assert re.findall(r'<polyline points="([^"]+)"', write_report(run, {"a": _Flat()}).read_text()) == lines
    write_report(run)
    assert len(lines) == 3
    xs = [float(point.split(",")[0]) for line in lines for point in line.split()]
    assert max(xs) - min(xs) == pytest.approx(120 / 50, abs=0.05)  # persons 1 and 3 stand 120 pixels apart


def test_the_map_of_a_floor_in_wrong_units_has_a_few_lines(run: Path) -> None:
    class Far(_Flat):
        def project(self, points: np.ndarray) -> np.ndarray:
            return super().project(points) * 1e9

    page = write_report(run, {"a": Far()}).read_text()
    assert 2 <= page.split('<section id="map">')[1].split("</svg>")[0].count("<line") <= 30
