"""Videos are drawn anew from the footage of the run, and from no other that came in its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from support.finished_run import FRAMES, finished_run
from support.world import Eyes, Keep, Looks, picture

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import OutputError, SourceError
from relaytrack.pipeline.postprocess import redraw
from relaytrack.pipeline.postprocess.corrections import forget, merge, open_run, split_at
from relaytrack.pipeline.postprocess.same_footage import FramesAgain
from relaytrack.pipeline.records import Frame, Image, Step
from relaytrack.pipeline.render.encoder import Encoder
from relaytrack.pipeline.results.identities import CameraRecord
from relaytrack.pipeline.sources.footage import footage


def _clip(path: Path, frames: int, shade: int = 60) -> None:
    path.unlink(missing_ok=True)
    encoder = Encoder(path, crf=5)
    for index in range(frames):
        encoder.write(np.full((160, 220, 3), shade, np.uint8), index / 10)
    encoder.close()


def _of_a_walk(folder: Path, sink: Keep) -> Pipeline:
    """A run over 20 frames of somebody who walks, `a.mp4`, with its results in `run`."""
    clip = Encoder(folder / "a.mp4", crf=5)
    for index in range(20):
        clip.write(picture(index), index / 10)
    clip.close()
    config = {"cameras": [str(folder / "a.mp4")], "output": {"dir": str(folder / "run")}}
    return Pipeline(config, detector=Eyes(), embedder=Looks(), sinks=[sink])


def _kept(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_recording_of_the_same_name_is_not_drawn_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fault: old boxes were drawn on the new pictures, and `forget` covered places where nobody stood."""
    folder = finished_run(tmp_path)
    before = _kept(folder)
    _clip(tmp_path / "a.mp4", FRAMES)
    for correct in (
        lambda: merge(open_run(folder), [1, 3]),
        lambda: forget(open_run(folder), 1),
        lambda: split_at(open_run(folder), 1, 0.5),
    ):
        with pytest.raises(SourceError, match="camera 'a': its recording was replaced or changed since the run"):
            correct()
        assert _kept(folder) == before
    assert main(["forget", "--run", str(folder), "1"]) == 2
    assert "--videos delete" in capsys.readouterr().err


def test_a_recording_may_be_moved_copied_and_go_on(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    clip = tmp_path / "a.mp4"
    shutil.copyfile(clip, tmp_path / "copy")
    (tmp_path / "copy").replace(clip)
    merge(open_run(folder), [1, 3])
    clip.write_bytes(clip.read_bytes() + bytes(100_000))
    forget(open_run(folder), 2)


def test_a_recording_without_mark_that_is_shorter_now_is_told(tmp_path: Path) -> None:
    """Fault: the whole video of the run was replaced by one of the frames that were left."""
    folder = finished_run(tmp_path)
    (folder / "run.json").write_text((folder / "run.json").read_text().replace('"footage"', '"other"'))
    before = _kept(folder)
    _clip(tmp_path / "a.mp4", FRAMES - 10)
    with pytest.raises(SourceError, match=rf"camera 'a': {FRAMES - 10} of its {FRAMES} frames could be read again"):
        merge(open_run(folder), [1, 3])
    assert _kept(folder) == before


def test_what_came_after_the_run_is_not_drawn(tmp_path: Path) -> None:
    """Fault: frames that the run never saw came into the video, where nobody in them was hidden."""
    folder = finished_run(tmp_path)
    (folder / "run.json").write_text((folder / "run.json").read_text().replace('"footage"', '"other"'))
    _clip(tmp_path / "a.mp4", FRAMES + 10)
    merge(open_run(folder), [1, 3])
    for name in ("a", "mosaic"):
        with av.open(str(folder / "video" / f"{name}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_all_frames_of_every_camera_are_waited_for() -> None:
    again = FramesAgain({"a": CameraRecord(frames=2, last_index=4), "b": CameraRecord(frames=1, last_index=1)})
    image = np.zeros((4, 4, 3), np.uint8)
    read = [Frame(name, index, 0.0, image) for name, index in (("a", 2), ("b", 1), ("b", 2), ("a", 4), ("a", 6))]
    assert [frame.index for frame in again.of_the_run(read[:3])] == [2, 1]
    assert not again.over
    with pytest.raises(SourceError, match="camera 'a': 1 of its 2 frames"):
        again.check()
    assert [frame.index for frame in again.of_the_run(read[3:])] == [4]
    assert again.over
    again.check()


def test_a_folder_of_pictures_is_known_by_names_and_sizes(tmp_path: Path) -> None:
    for number in range(1, 6):
        (tmp_path / f"{number}.png").write_bytes(_png(number))
    first = footage(tmp_path)
    (tmp_path / "10.png").write_bytes(_png(7))
    assert footage(tmp_path, first) == first
    (tmp_path / "3.png").write_bytes(_png(90))
    assert footage(tmp_path, first) != first
    (tmp_path / "3.png").write_bytes(_png(3))
    assert footage(tmp_path, first) == first
    (tmp_path / "1.png").unlink()
    assert footage(tmp_path, first) != first


def test_what_is_gone_or_no_recording_has_no_mark(tmp_path: Path) -> None:
    assert footage(tmp_path / "gone.mp4") is None
    assert footage(tmp_path) is None
    (tmp_path / "a.mp4").write_bytes(b"abc")
    whole = footage(tmp_path / "a.mp4")
    assert whole is not None
    assert whole["bytes"] == 3
    assert footage(tmp_path / "a.mp4", {"bytes": -5, "crc": None}) == whole
    assert footage(tmp_path / "a.mp4", {"pictures": "x"}) == whole


def _png(height: int) -> bytes:
    return cv2.imencode(".png", np.full((height, 8, 3), height, np.uint8))[1].tobytes()


def test_a_disk_that_is_full_when_videos_are_drawn_anew_costs_no_list_of_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the second version of the videos did not fit, and the run ended without report."""

    class Filler(Keep):
        def close(self) -> None:
            monkeypatch.setattr(redraw, "Encoder", Full)

    class Full(Encoder):
        def write(self, image: Image, time: float) -> None:
            raise OutputError("the disk is full")

    run = _of_a_walk(tmp_path, Filler())
    with pytest.raises(OutputError, match="the disk is full; the list of people and the report are final"):
        run.run()
    assert (tmp_path / "run" / "report.html").exists()
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_a_run_whose_recording_is_lost_meanwhile_keeps_its_list_of_people_and_report(tmp_path: Path) -> None:
    """Fault: a run of hours over a share that went away ended without report, with provisional identities."""

    class Remover(Keep):
        def write(self, step: Step) -> None:
            (tmp_path / "a.mp4").unlink(missing_ok=True)

    run = _of_a_walk(tmp_path, Remover())
    with pytest.raises(SourceError, match="the list of people and the report are final, videos and global/ are not"):
        run.run()
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told["final"] is False
    assert told["identities"]["count"] == 1
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "video" / "a.mp4").exists()
