"""Folders of images, plain or in the layout of MOTChallenge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from relaytrack.pipeline.config.schema import RunConfig
from relaytrack.pipeline.errors import SourceError
from relaytrack.pipeline.sources import Source

MakeSource = Callable[..., Source]


def write(folder: Path, names: list[str], size: tuple[int, int] = (40, 30)) -> Path:
    """Images whose red is 10 x their place in `names`, from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names, 1):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        image[..., 2] = 10 * place  # OpenCV writes BGR
        done, data = cv2.imencode(Path(name).suffix, image)
        assert done
        (folder / name).write_bytes(data.tobytes())
    return folder


def read(source: Source) -> list[tuple[int, float, int]]:
    """(index, time, red) of every frame."""
    source.open()
    return [(frame.index, frame.time, round(float(frame.image[..., 0].mean()) / 10)) for frame in source.frames()]


def test_mot_layout_takes_the_rate_of_seqinfo(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path / "img1", [f"{number:06d}.jpg" for number in range(1, 5)])
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=X\nimDir=img1\nframeRate=5\nimExt=.jpg\n")
    source = make_source(tmp_path)
    assert read(source) == [(1, 0.0, 1), (2, 0.2, 2), (3, 0.4, 3), (4, pytest.approx(0.6), 4)]
    assert source.fps == 5
    assert source.size == (40, 30)


def test_the_cameras_own_rate_goes_first(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path / "img1", ["1.png", "2.png"])
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=5\n")
    assert read(make_source(tmp_path, fps=2)) == [(1, 0.0, 1), (2, 0.5, 2)]


def test_a_plain_folder_has_30_per_second_in_the_order_of_numbers(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path / "é plain", ["frame1.png", "frame2.png", "frame10.png", "z.bmp"])
    (tmp_path / "é plain" / "readme.txt").write_text("not an image")
    frames = read(make_source(tmp_path / "é plain"))
    assert frames == [(number, pytest.approx((number - 1) / 30), number) for number in (1, 2, 3, 4)]


def test_a_broken_image_is_skipped_counted_and_keeps_its_number(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path, [f"{number}.png" for number in range(1, 6)])
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").write_text("no image")
    source = make_source(tmp_path)
    assert [index for index, _, _ in read(source)] == [2, 4, 5]
    assert source.stats.broken == 2
    assert source.stats.frames == 3


def test_images_of_other_sizes_are_scaled_to_the_first(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path, ["1.png", "2.png"])
    write(tmp_path, ["3.png"], size=(80, 60))
    source = make_source(tmp_path, roi=(10, 10, 20, 10))
    source.open()
    frames = list(source.frames())
    assert [frame.image.shape for frame in frames] == [(10, 20, 3)] * 3
    assert {frame.origin for frame in frames} == {(10, 10)}


def test_max_fps_and_max_seconds(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path, [f"{number}.png" for number in range(1, 21)])
    source = make_source(tmp_path, fps=10, max_fps=5, run=RunConfig(max_seconds=1.0))
    assert [index for index, _, _ in read(source)] == [1, 3, 5, 7, 9]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[Sequence]\nframeRate=fast\n", "seqinfo.ini"),
        ("frameRate=5\n", "seqinfo.ini"),
        ("[Sequence]\nframeRate=0\n", "frameRate is .0."),
    ],
)
def test_a_wrong_seqinfo_is_an_error(tmp_path: Path, make_source: MakeSource, text: str, words: str) -> None:
    write(tmp_path / "img1", ["1.png"])
    (tmp_path / "seqinfo.ini").write_text(text)
    with pytest.raises(SourceError, match=f"camera 'door': .*{words}"):
        make_source(tmp_path).open()


def test_a_folder_of_broken_images_is_an_error(tmp_path: Path, make_source: MakeSource) -> None:
    (tmp_path / "1.jpg").write_text("no image")
    with pytest.raises(SourceError, match="camera 'door': no image in this folder can be read"):
        make_source(tmp_path).open()


@pytest.mark.parametrize("layout", [".", "img1"])
def test_files_that_only_end_like_pictures_are_no_frames(
    tmp_path: Path, make_source: MakeSource, layout: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path / layout, ["frame_0001.jpg", "frame_0002.jpg", "frame_0003.jpg"])
    for name in ("._frame_0001.jpg", "._frame_0002.JPG", ".hidden.png"):
        (folder / name).write_bytes(b"\0\5\x16\7 resource fork")
    (folder / "a_folder.jpg").mkdir()
    (folder / "a_folder.jpg" / "1.jpg").write_bytes((folder / "frame_0001.jpg").read_bytes())
    (folder / "a_dead_link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (folder / "frame_0004.png").symlink_to(folder / "frame_0001.jpg")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt"):
        (folder / name).write_bytes(b"no picture")
    source = make_source(tmp_path, fps=10)
    assert [(index, red) for index, _, red in read(source)] == [(1, 1), (2, 2), (3, 3), (4, 1)]
    assert source.stats.broken == 0
    assert source.stats.warning == "camera 'door': 1 link that leads nowhere left out of the folder"
    assert len(caplog.records) == 1


def test_a_folder_of_dead_links_is_an_error(tmp_path: Path, make_source: MakeSource) -> None:
    (tmp_path / "1.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(SourceError, match="no images in this folder, only links that lead nowhere"):
        make_source(tmp_path).open()


def test_a_missing_picture_of_a_sequence_keeps_its_number(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path / "img1", [f"{number:06d}.png" for number in range(1, 7)])
    (tmp_path / "img1/000003.png").unlink()
    (tmp_path / "img1/000005.png").unlink()
    (tmp_path / "img1/000005.png").symlink_to(tmp_path / "fetched later.png")
    found = read(make_source(tmp_path, fps=10))
    assert found == [(number, pytest.approx((number - 1) / 10), number) for number in (1, 2, 4, 6)]


def test_digits_that_are_no_numbers(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path, ["①.png", "3².png", "٣.png", "x.png"])
    assert sorted(red for _, _, red in read(make_source(tmp_path))) == [1, 2, 3, 4]


def test_names_that_are_times_are_no_frame_numbers(tmp_path: Path, make_source: MakeSource) -> None:
    write(tmp_path / "img1", ["000001.png", "20240101120000.png", f"{'9' * 200}.png"])
    source = make_source(tmp_path, fps=10)
    assert [(index, time) for index, time, _ in read(source)] == [(1, 0.0), (2, 0.1), (3, 0.2)]
    assert "counted in order" in (source.stats.warning or "")


def test_pictures_of_other_kinds_are_read_or_counted(
    tmp_path: Path, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault: .gif, .avif and .heic files beside the pictures were left out without a word."""
    write(tmp_path, ["1.jpg", "2.png", "3.png", "4.webp", "5.tif"])
    Image.new("RGB", (40, 30), (20, 0, 0)).save(tmp_path / "2.gif")
    (tmp_path / "2.png").unlink()
    for name in ("6.heic", "7.HEIC", "8.jxl", "._9.heic", "notes.txt"):
        (tmp_path / name).write_bytes(b"\0")
    source = make_source(tmp_path, fps=10)
    assert [red for _, _, red in read(source)] == [1, 2, 3, 4, 5]
    said = "3 pictures of kinds not read are left out (.heic and .jxl): save as .jpg or .png what is needed"
    assert source.stats.warning == f"camera 'door': {said}"
    assert len(caplog.records) == 1
    for number in range(1, 6):
        next(tmp_path.glob(f"{number}.*")).unlink()
    with pytest.raises(SourceError, match=r"no images in this folder; 3 pictures of kinds not read"):
        make_source(tmp_path).open()


@pytest.mark.parametrize("others", [1, 3])
def test_pictures_of_another_size_are_told(tmp_path: Path, make_source: MakeSource, others: int) -> None:
    """Fault: they were scaled without a word."""
    for number in range(1, 6):
        size = (90, 160, 3) if number <= 5 - others else (120, 120, 3)
        assert cv2.imwrite(str(tmp_path / f"{number}.png"), np.full(size, 40 * number, np.uint8))
    source = make_source(tmp_path)
    source.open()
    images = [frame.image for frame in source.frames()]
    assert {image.shape for image in images} == {(90, 160, 3)}
    assert [bool(image[:, 34].any()) for image in images] == [True] * (5 - others) + [False] * others
    assert all(image[:, 36:124].all() for image in images), "a square picture stays square, between black edges"
    count = "1 picture has" if others == 1 else "3 pictures have"
    assert source.stats.warning is not None
    assert f"{count} another size than the first (160 x 90)" in source.stats.warning
