"""The second pass: what it replaces, what it leaves alone, and that it is all or nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from support.finished_run import finished_run
from support.steps import Feed, Shot

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import OutputError
from relaytrack.pipeline.palette import identity_color
from relaytrack.pipeline.postprocess import finalize as finalize_module
from relaytrack.pipeline.postprocess.corrections import merge, open_run
from relaytrack.pipeline.postprocess.finalize import finalize
from relaytrack.pipeline.records import Frame, Image
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.results.folder import prepare_output
from relaytrack.pipeline.sinks import create_sinks
from relaytrack.pipeline.sources.base import LOG
from relaytrack.pipeline.sources.recorded import RecordedSource
from relaytrack.pipeline.tracking.backfill import EarlierBoxes
from relaytrack.trackers import Backfill

FRAMES = 12


def _image(index: int) -> Image:
    image = np.full((120, 100, 3), 70, np.uint8)
    image[100:, : 5 * index] = 160
    return image


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A finished first pass over two short clips; one person per camera, provisional ids 1 and 2."""
    for name in ("a", "b"):
        encoder = Encoder(tmp_path / "clips" / f"{name}.mp4", crf=5)
        for index in range(FRAMES):
            encoder.write(_image(index), index / 7)
        encoder.close()
    config = Config.model_validate(
        {
            "cameras": [{"url": str(tmp_path / "clips" / f"{name}.mp4"), "name": name} for name in ("a", "b")],
            "output": {"dir": str(tmp_path / "out"), "crf": 5},
        }
    )
    prepare_output(config)
    sinks, feed = create_sinks(config, ["a", "b"], live=False), Feed(config)
    for index in range(FRAMES):
        step = feed.step(
            *(
                Shot.of(
                    Frame(name, index + 1, index / 7, _image(index)),
                    np.array([4], np.int64),
                    np.array([identity], np.int64),
                    np.array([[30, 40, 60, 90]], np.float32),
                    np.array([0.9], np.float32),
                )
                for name, identity in (("a", 1), ("b", 2))
            )
        )
        for sink in sinks:
            sink.write(step)
    for sink in sinks:
        sink.close()
    return config


def _files(config: Config) -> dict[str, bytes]:
    folder = Path(config.output.dir)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _pictures(config: Config, name: str) -> list[tuple[float, Image]]:
    with av.open(str(Path(config.output.dir) / "video" / f"{name}.mp4")) as container:
        return [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def _box_color(image: Image, left: int = 0) -> np.ndarray:
    return image[90, left + 30 : left + 36].mean(axis=0)  # a corner of the box


def test_everything_carries_the_final_ids(config: Config) -> None:
    before = _files(config)
    done: list[float] = []
    assert finalize(config, {("a", 4): 1, ("b", 4): 1}, progress=done.append)
    after = _files(config)
    assert set(after) == set(before) - {"crops/2.jpg"}
    assert after["global/a.txt"] == before["global/a.txt"]
    assert after["global/b.txt"] == before["global/b.txt"].replace(b",2,30.00", b",1,30.00")
    assert after["tracks/b.txt"] == before["tracks/b.txt"]
    [person] = json.loads(after["identities.json"])["identities"]
    assert (person["id"], person["cameras"], person["frames"]) == (1, ["a", "b"], 2 * FRAMES)
    for name, left in (("a", 0), ("b", 0), ("mosaic", 104)):
        pictures = _pictures(config, name)
        assert [round(time * 7) for time, _ in pictures] == list(range(FRAMES))
        for _, image in pictures[1:]:
            assert np.abs(_box_color(image, left) - identity_color(1)).max() < 40
            assert np.abs(_box_color(image, left) - identity_color(2)).max() > 60
    assert done == sorted(done)
    assert done[-1] == 1.0


def test_people_keep_their_colours_in_a_mosaic_that_is_drawn_again(config: Config) -> None:
    folder, unusual = Path(config.output.dir or ""), np.array([240, 20, 20])
    content = json.loads((folder / "identities.json").read_text())
    for person in content["identities"]:
        person["color"] = unusual.tolist()
    (folder / "identities.json").write_text(json.dumps(content))
    smaller = config.output.model_copy(update={"mosaic_width": 160})
    assert finalize(config.model_copy(update={"output": smaller}), {("a", 4): 1, ("b", 4): 1})
    for name in ("b", "mosaic"):
        for _, image in _pictures(config, name)[1:]:
            assert np.abs(image.astype(int) - unusual).max(axis=2).min() < 60, name


def test_the_videos_show_a_track_from_its_first_frame_on(config: Config) -> None:
    """Fault: who was followed from frame 4 on had no box in the three frames before, in which they were found, too."""
    for kind, number in (("tracks", 5), ("global", 3)):
        path = Path(config.output.dir or "") / kind / "a.txt"
        lines = path.read_text().splitlines(keepends=True)
        lines.insert(4, f"4,{number},2.00,20.00,20.00,40.00,0.500,-1,-1,-1\n")
        path.write_text("".join(lines))
    earlier, three = EarlierBoxes(), np.arange(3)
    for index in range(1, FRAMES + 1):
        earlier.saw(Frame("a", index, index / 7, _image(index)))
    boxes = np.tile(np.array([2, 20, 22, 60], np.float32), (3, 1))
    found = Backfill(three, three / 7, np.full(3, 5), boxes, np.full(3, 0.5, np.float32), np.zeros(3, np.int64))
    earlier.add(found, (0, 0))
    color = np.array(identity_color(3))

    def boxed(name: str) -> list[bool]:
        corners = (image[60, 3:9].mean(axis=0) for _, image in _pictures(config, name))
        return [bool(np.abs(corner - color).max() < 40) for corner in corners]

    assert not any(boxed("a"))
    assert not any(boxed("mosaic"))
    assert finalize(config, {("a", 4): 1, ("b", 4): 2, ("a", 5): 3}, {"a": earlier})
    for name in ("a", "mosaic"):
        assert boxed(name) == [index < 4 for index in range(FRAMES)], name


def test_the_source_is_what_is_drawn_again(config: Config) -> None:
    finalize(config, {("b", 4): 9})
    for index, (_, image) in enumerate(_pictures(config, "b")):
        np.testing.assert_allclose(image[110, 98], 70, atol=10)
        if index > 1:
            np.testing.assert_allclose(image[110, 5 * index - 4], 160, atol=14)


def test_the_second_pass_does_not_repeat_warnings(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def warn(self: RecordedSource, reader: object, last: float, interval: float) -> None:
        LOG.warning("incomplete file")

    monkeypatch.setattr(RecordedSource, "_check_end", warn)
    assert finalize(config, {("b", 4): 9})
    assert not caplog.records
    LOG.warning("another")
    assert len(caplog.records) == 1


def test_nothing_is_drawn_again_when_the_ids_were_right(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: _pictures(config, name) for name in ("a", "b", "mosaic")}
    monkeypatch.setattr(finalize_module, "redraw", None)
    assert finalize(config, {("a", 4): 1, ("b", 4): 2})
    for name, pictures in before.items():
        again = _pictures(config, name)
        assert all((one == other).all() for (_, one), (_, other) in zip(pictures, again, strict=True))
        assert b"moof" not in (Path(config.output.dir) / "video" / f"{name}.mp4").read_bytes()  # seekable now


def test_only_the_changed_camera_is_drawn_again(config: Config) -> None:
    before = _pictures(config, "a")
    assert finalize(config, {("b", 4): 7})
    again = _pictures(config, "a")
    assert all((one == other).all() for (_, one), (_, other) in zip(before, again, strict=True))


def test_a_stop_leaves_the_provisional_files(config: Config) -> None:
    before = _files(config)
    stop = threading.Event()

    def halt(share: float) -> None:
        if share > 0.3:
            stop.set()

    assert not finalize(config, {("b", 4): 1}, progress=halt, stop=stop)
    assert _files(config) == before


def test_a_failure_leaves_the_provisional_files(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _files(config)
    write, calls = Encoder.write, []

    def full(self: Encoder, image: Image, time: float) -> None:
        calls.append(time)
        if len(calls) > 8:
            raise OutputError("cannot write x: No space left on device")
        write(self, image, time)

    monkeypatch.setattr(Encoder, "write", full)
    with pytest.raises(OutputError, match="No space left"):
        finalize(config, {("b", 4): 1})
    assert _files(config) == before


def test_without_videos_only_text_is_rewritten(config: Config) -> None:
    before = _files(config)
    silent = config.model_copy(update={"output": config.output.model_copy(update={"video": False})})
    assert finalize(silent, {("a", 4): 3, ("b", 4): 3})
    after = _files(config)
    assert after["video/a.mp4"] == before["video/a.mp4"]
    assert b",3,30.00" in after["global/a.txt"]
    assert "crops/3.jpg" in after


def test_an_identity_stands_once_in_a_frame(config: Config) -> None:
    folder = Path(config.output.dir)
    for kind, identity in (("tracks", 5), ("global", 6)):
        path = folder / kind / "a.txt"
        lines = path.read_text().splitlines(keepends=True)
        for frame, score in ((2, 0.95), (4, 0.5)):
            twin = f"{frame},{identity},31.00,40.00,30.00,50.00,{score:.3f},-1,-1,-1\n"
            lines.insert(next(k for k, line in enumerate(lines) if line.startswith(f"{frame},")) + 1, twin)
        path.write_text("".join(lines))
    assert finalize(config, {("a", 4): 1, ("a", 5): 1, ("b", 4): 2})
    lines = (folder / "global/a.txt").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [str(frame) for frame in range(1, FRAMES + 1)]
    assert [line.split(",")[2] for line in lines[:4]] == ["30.00", "31.00", "30.00", "30.00"]  # the surer box
    assert len((folder / "tracks/a.txt").read_text().splitlines()) == FRAMES + 2


def test_a_track_that_was_confirmed_after_it_was_last_seen_is_in_no_file(config: Config) -> None:
    """Fault: its earlier boxes came into `tracks/` without an identity, and the run could not be corrected any more."""
    earlier = EarlierBoxes()
    for index in range(1, FRAMES + 1):
        earlier.saw(Frame("a", index, index / 7, _image(index)))
    boxes = np.tile(np.array([2, 20, 22, 60], np.float32), (3, 1))
    three = np.arange(3)
    earlier.add(Backfill(three, three / 7, np.full(3, 5), boxes, np.ones(3, np.float32), np.zeros(3, np.int64)), (0, 0))
    silent = config.model_copy(update={"output": config.output.model_copy(update={"video": False})})
    assert finalize(silent, {("a", 4): 7, ("b", 4): 2}, {"a": earlier})
    assert finalize(silent, {("a", 4): 1, ("b", 4): 2})
    assert b",5," not in (Path(config.output.dir) / "tracks/a.txt").read_bytes()


def test_the_same_identities_again_change_no_line(config: Config) -> None:
    """Fault: an earlier box gave way to another one of its person first, and took its place in the next correction."""
    folder = Path(config.output.dir)
    for kind, number in (("tracks", 5), ("global", 1)):
        path = folder / kind / "a.txt"
        keep = [line for line in path.read_text().splitlines(keepends=True) if line.split(",")[0] not in ("6", "7")]
        late = f"12,{number},31.00,40.00,30.00,50.00,0.950,-1,-1,-1\n"
        path.write_text("".join(keep) + late)
    earlier = EarlierBoxes()
    for index in range(1, FRAMES + 1):
        earlier.saw(Frame("a", index, index / 7, _image(index)))
    boxes = np.tile(np.array([30.126, 40.004, 60.1, 90.333], np.float32), (2, 1))
    calls = np.array([4, 9])
    earlier.add(Backfill(calls, calls / 7, np.full(2, 5), boxes, np.ones(2, np.float32), np.zeros(2, np.int64)), (0, 0))
    silent = config.model_copy(update={"output": config.output.model_copy(update={"video": False})})
    ids = {("a", 4): 1, ("a", 5): 1, ("b", 4): 2}
    assert finalize(silent, ids, {"a": earlier})
    before = _files(config)
    assert finalize(silent, ids)
    assert _files(config) == before
    assert b"30.13,40.00" in before["global/a.txt"]


def test_files_that_do_not_belong_together_are_refused(config: Config) -> None:
    path = Path(config.output.dir) / "tracks/a.txt"
    path.write_bytes(path.read_bytes() + b"99,7,0,0,1,1,1,-1,-1,-1\n")
    with pytest.raises(OutputError, match="do not belong together"):
        finalize(config, {})


def test_a_track_that_the_list_of_people_lacks_keeps_its_identity_beside_filled_boxes(config: Config) -> None:
    """Fault that was feared: filled boxes are in `global/` alone, so its lines no longer match `tracks/` one by one."""
    folder = Path(config.output.dir)
    for kind in ("tracks", "global"):
        path = folder / kind / "a.txt"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3] + path.read_text().splitlines(True)[6:]))
    assert finalize(config, {("b", 4): 2})
    filled = (folder / "global/a.txt").read_bytes()
    assert len(filled.splitlines()) == FRAMES
    assert finalize(config, {("b", 4): 7})
    assert (folder / "global/a.txt").read_bytes() == filled


def test_a_redrawing_that_fails_says_why_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: where closing failed, too, as on a full disk, that was told instead, and the new videos stayed there."""
    folder = finished_run(tmp_path)
    write, close = Encoder.write, Encoder.close

    def full(encoder: Encoder, image: Image, time: float) -> None:
        write(encoder, image, time)
        if time > 1.0:
            raise OutputError("the disk is full")

    def never(encoder: Encoder) -> None:
        close(encoder)
        raise OutputError("it cannot be closed")

    monkeypatch.setattr(Encoder, "write", full)
    monkeypatch.setattr(Encoder, "close", never)
    with pytest.raises(OutputError, match="the disk is full"):
        merge(open_run(folder), [1, 3])
    assert not [path for path in folder.rglob("*.partial")]
