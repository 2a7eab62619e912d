"""CUHK03 in all the forms in which it is handed on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from support.trees import quietly, tree

from relaytrack.reid.datasets.base import CountWarning
from relaytrack.reid.datasets.cuhk03 import SPLITS
from relaytrack.reid.datasets.factory import load_dataset, load_splits, load_tested, load_train
from relaytrack.reid.datasets.images import read_image
from relaytrack.reid.datasets.validation_ids import CUHK03_PART
from relaytrack.reid.errors import DatasetError


def test_cuhk03_part_without_its_validation_people_is_learned_from(tmp_path: Path) -> None:
    other = next(person for person in range(800) if person not in CUHK03_PART)
    tree(tmp_path, [f"{other:04d}_c1_00.jpg", f"{other:04d}_c2_00.jpg"])
    assert len(load_train("cuhk03_part", tmp_path)) == 2
    with pytest.raises(DatasetError, match="the query split has no images"):
        load_tested("cuhk03_part", tmp_path)


@pytest.mark.parametrize("kind", ["labeled", "detected"])
def test_cuhk03_classic_has_all_its_splits(tmp_path: Path, kind: str) -> None:
    names = [f"1_{identity:03d}_{camera}_01.png" for identity in range(3) for camera in (1, 2)]
    tree(tmp_path / f"images_{kind}", names)
    rows = [[f"elsewhere/{name}", int(name[2:5]), int(name[6]) - 1] for name in names]
    entry = {"train": rows[:4], "query": rows[4:], "gallery": rows[4:]}
    file = tmp_path / f"splits_classic_{kind}.json"
    file.write_text(json.dumps([entry] * SPLITS))
    name = f"cuhk03_classic_{kind}"
    with pytest.warns(CountWarning, match="split 0 tests 1 identities instead of 100"):
        splits = load_splits(name, tmp_path)
    assert len(splits) == SPLITS
    assert all(split.single_shot for split in splits)
    assert all(path.is_file() for path in splits[0].train.paths)
    file.write_text("[{}]")
    with pytest.raises(DatasetError, match="is not a list of train"):
        load_splits(name, tmp_path)


@pytest.mark.parametrize("kind", ["labeled", "detected"])
def test_cuhk03_new_protocol_from_folders_and_a_list(tmp_path: Path, kind: str) -> None:
    names = [f"1_{identity:03d}_{camera}_01.png" for identity in range(3) for camera in (1, 2)]
    tree(tmp_path / "cuhk03" / f"images_{kind}", names)
    rows = [[f"elsewhere/{name}", int(name[2:5]), int(name[6])] for name in names]
    file = tmp_path / "cuhk03" / f"splits_new_{kind}.json"
    file.write_text(json.dumps([{"train": rows[:4], "query": rows[4:5], "gallery": rows[5:]}]))
    with pytest.warns(CountWarning, match=rf"cuhk03_{kind}: train has 4 images instead of 7,36[58]"):
        found = load_dataset(f"cuhk03_{kind}", tmp_path)
    assert found.same_camera_out
    assert not found.single_shot
    assert [len(found.train), len(found.query), len(found.gallery)] == [4, 1, 1]
    assert found.gallery.paths[0].is_file()
    file.unlink()
    with pytest.raises(
        DatasetError, match=rf"cuhk03_new_protocol_config_{kind}\.mat is missing; the new protocol needs it"
    ):
        load_dataset(f"cuhk03_{kind}", tmp_path)


def release(path: Path) -> None:
    """A `cuhk-03.mat` with two pairs of cameras, three people in each, some images missing."""
    h5py = pytest.importorskip("h5py")
    draw = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        cells = file.create_group("#refs#")

        def put(value: np.ndarray) -> object:
            return cells.create_dataset(str(len(cells)), data=value).ref

        for kind in ("labeled", "detected"):
            tables = []
            for pair in (1, 2):
                table = np.empty((10, 3), h5py.ref_dtype)
                for number in range(10):
                    for who in range(3):
                        empty = number in (4, 9)
                        image = np.full((3, 12, 30), 40 * pair + who, np.uint8) + draw.integers(0, 3, dtype=np.uint8)
                        table[number, who] = put(np.zeros(2, np.uint64) if empty else image)
                tables.append(put(table))
            file.create_dataset(kind, data=np.array([tables], h5py.ref_dtype))
        tests = [put(np.array([[1, 2], [float(who), float(who)]])) for who in (1, 2)]
        file.create_dataset("testsets", data=np.array([tests], h5py.ref_dtype))


def test_cuhk03_from_the_authors_file(tmp_path: Path) -> None:
    from scipy.io import savemat

    home = tmp_path / "cuhk03_release"
    home.mkdir()
    release(home / "cuhk-03.mat")
    with pytest.warns(CountWarning, match="2 splits instead of 20"):
        splits = load_splits("cuhk03_classic_labeled", tmp_path)
    assert [len(one.train) for one in splits] == [32, 32]
    assert [len(one.query) for one in splits] == [16, 16]
    assert set(splits[0].query.cameras) == {1, 2}
    assert not set(splits[0].train.ids) & set(splits[0].query.ids)
    assert splits[1].query.paths[0].name == "1_002_1_01.png"
    image = read_image(splits[1].query.paths[0])
    assert image.shape == (30, 12, 3)
    assert 41 <= image.min() <= image.max() <= 43
    names = np.array([path.name for path in sorted((home / "images_labeled").iterdir())], object)
    assert len(names) == 48
    labels = np.array([int(name[2:5]) for name in names])
    values = {"train_idx": np.arange(1, 9), "query_idx": np.array([9]), "gallery_idx": np.array([14, 15])}
    config = home / "cuhk03_new_protocol_config_labeled.mat"
    savemat(config, {"filelist": names[:, None], "labels": labels[:, None], **values})
    found = quietly("cuhk03_labeled", tmp_path)
    assert [len(found.train), len(found.query), len(found.gallery)] == [8, 1, 2]
    assert found.query.paths[0].name == names[8]
    assert found.gallery.cameras.tolist() == [int(name[6]) for name in names[[13, 14]]]
    config.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"config_labeled\.mat does not hold the new protocol"):
        quietly("cuhk03_labeled", tmp_path)


def test_cuhk03_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"neither a folder images_detected nor cuhk-03\.mat in "):
        load_splits("cuhk03_classic_detected", tmp_path)
    (tmp_path / "cuhk-03.mat").write_bytes(b"nothing")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(DatasetError, match=r"cuhk-03\.mat needs the package h5py: pip install h5py"):
            load_splits("cuhk03_classic_detected", tmp_path)
    pytest.importorskip("h5py")
    with pytest.raises(DatasetError, match=r"cannot unpack .*cuhk-03\.mat"):
        load_splits("cuhk03_classic_detected", tmp_path)
    assert not (tmp_path / "images_detected").exists()
