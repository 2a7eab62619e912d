"""Which files of a folder are pictures, and how they are read and kept for a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.png import png
from support.trees import draw, tree

from relaytrack.reid.datasets.base import CountWarning, images_below
from relaytrack.reid.datasets.factory import load_dataset
from relaytrack.reid.datasets.images import ImageCache, read_image
from relaytrack.reid.errors import DatasetError


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    draw(good)
    bad.write_bytes(b"not an image")
    with pytest.raises(DatasetError, match=r"cannot decode image .*bad\.jpg"):
        read_image(bad)
    with pytest.raises(DatasetError, match=r"cannot read image .*none\.jpg"):
        read_image(tmp_path / "none.jpg")
    cache = ImageCache([bad, good, good], 256, 128)
    assert cache.fill() == [0]
    rest = cache.without([0])
    assert len(rest) == rest.held == 2
    np.testing.assert_array_equal(rest.get(0), read_image(good))


def test_the_cache_keeps_to_its_limit_and_shrinks_large_images(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        draw(path, number)
    cache = ImageCache(paths, 16, 8, limit_mib=2 * 16 * 8 * 3 / 2**20)
    assert cache.fill() == []
    assert cache.held == 2
    assert cache.get(2).shape == (16, 8, 3)


def test_images_below_lists_sub_folders_and_refuses_empty_ones(tmp_path: Path) -> None:
    tree(tmp_path, ["b/2.png", "1.jpg"])
    assert [path.name for path in images_below(tmp_path)] == ["1.jpg", "2.png"]
    (tmp_path / "void").mkdir()
    with pytest.raises(DatasetError, match="no images in"):
        images_below(tmp_path / "void")


def test_pictures_of_kinds_that_are_not_read_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, ["1_a_0.png", "sub/3_b_0.tif"])
    Image.new("RGB", (16, 32)).save(tmp_path / "2_a_0.gif")
    (tmp_path / "sub/4_b_0.HEIC").write_bytes(b"\0")
    (tmp_path / ".5_b_0.heic").write_bytes(b"\0")
    with pytest.warns(CountWarning, match=r"1 picture of a kind that is not read is left out \(\.heic\)"):
        assert [path.name for path in images_below(tmp_path)] == ["1_a_0.png", "2_a_0.gif", "3_b_0.tif"]
    with pytest.warns(CountWarning):
        paths = load_dataset("crops", tmp_path).train.paths
    assert {read_image(path).shape for path in paths} == {(32, 16, 3)}


def test_only_real_pictures_are_images(tmp_path: Path) -> None:
    tree(tmp_path, ["01_1_0.jpg", "01_2_0.jpg", "._01_1_0.jpg", ".thumbnails/01_3_0.jpg", "__MACOSX/01_4_0.jpg"])
    (tmp_path / "02_1_dir.jpg").mkdir()
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    made = load_dataset("folder", tmp_path)
    assert [path.name for path in made.train.paths] == ["01_1_0.jpg", "01_2_0.jpg"]
    assert [path.name for path in images_below(tmp_path)] == ["01_1_0.jpg", "01_2_0.jpg"]
    (tmp_path / "03_1_0.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.warns(CountWarning, match=r"1 link leads nowhere, the first is .*03_1_0\.jpg"):
        assert len(images_below(tmp_path)) == 2


def test_a_picture_of_gigantic_size_is_named(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png(50_000, 50_000, b"\0"))
    with pytest.raises(DatasetError, match=r"cannot decode image .*huge\.png: it has more than 120 million pixels"):
        read_image(path)
