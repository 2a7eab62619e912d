"""Data sets on tiny trees that the tests make themselves."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from support.png import png

from relaytrack.reid.datasets.base import JUNK, CountWarning, ReidDataset, Split, images_below
from relaytrack.reid.datasets.cuhk03 import SPLITS
from relaytrack.reid.datasets.factory import NAMES, hold_out, join, load_dataset, load_splits, load_tested, load_train
from relaytrack.reid.datasets.images import ImageCache, read_image
from relaytrack.reid.datasets.market1501 import LAYOUTS
from relaytrack.reid.datasets.validation_ids import CUHK03_PART, MARKET1501
from relaytrack.reid.errors import DatasetError


def draw(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (32, 16, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)


def tree(root: Path, names: Iterable[str]) -> Path:
    for seed, name in enumerate(names):
        draw(root / name, seed)
    return root


def quietly(name: str, root: Path) -> ReidDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CountWarning)
        return load_dataset(name, root)


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_market_layouts_are_read_from_their_own_or_the_outer_folder(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    train, query, gallery = layout.folders
    home = tmp_path / layout.homes[0]
    tree(
        home,
        [
            f"{train}/0002_c1s1_000451_03.jpg",
            f"{train}/0002_c2s1_000451_03.jpg",
            f"{query}/0001_c003_00016450_0.jpg",
            f"{gallery}/-1_c1s1_000401_03.jpg",
            f"{gallery}/0000_c1s1_000401_03.jpg",
            f"{gallery}/0001_c5s1_000401_03.png",
            f"{gallery}/Thumbs.db.txt/ignored.jpg",
        ],
    )
    for root in (tmp_path, home):
        found = quietly(name, root)
        assert found.train.ids.tolist() == [2, 2]
        assert found.train.cameras.tolist() == [1, 2]
        assert found.query.cameras.tolist() == [3]
        assert found.gallery.ids.tolist() == [JUNK, 0, 1]
        assert found.gallery.identities.tolist() == [0, 1]


def test_a_wrong_count_warns_and_says_what_differs(tmp_path: Path) -> None:
    folders = ("bounding_box_train", "query", "bounding_box_test")
    tree(tmp_path, [f"{folder}/0001_c{camera}.jpg" for folder in folders for camera in (1, 2)])
    with pytest.warns(CountWarning, match=r"dukemtmc: train has 2 images instead of 16,522 \(-16,520\); query"):
        load_dataset("dukemtmc", tmp_path)


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_only_the_splits_that_are_used_must_be_there(name: str, tmp_path: Path) -> None:
    train, query, gallery = LAYOUTS[name].folders
    learned = tree(tmp_path / "learned" / LAYOUTS[name].homes[0], [f"{train}/0002_c1.jpg"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", CountWarning)
        assert load_train(name, learned).ids.tolist() == [2]
    assert not any("query" in str(one.message) for one in said)
    with pytest.raises(DatasetError, match=f"no folder .*{query}"):
        load_tested(name, learned)
    tested = tree(tmp_path / "tested", [f"{query}/0001_c1.jpg", f"{gallery}/0001_c2.jpg"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CountWarning)
        (found,) = load_tested(name, tested)
    assert (len(found.train), len(found.query), len(found.gallery)) == (0, 1, 1)
    with pytest.raises(DatasetError, match=f"no folder .*{train}"):
        load_train(name, tested)


def test_cuhk03_part_without_its_validation_people_is_learned_from(tmp_path: Path) -> None:
    other = next(person for person in range(800) if person not in CUHK03_PART)
    tree(tmp_path, [f"{other:04d}_c1_00.jpg", f"{other:04d}_c2_00.jpg"])
    assert len(load_train("cuhk03_part", tmp_path)) == 2
    with pytest.raises(DatasetError, match="the query split has no images"):
        load_tested("cuhk03_part", tmp_path)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_msmt17_with_half_of_it(train: str, test: str, tmp_path: Path) -> None:
    name = "0000/0000_000_01_0303morning_0008_0.jpg"
    for folder, lists in ((train, ("train", "val")), (test, ("query", "gallery"))):
        draw(tmp_path / folder / folder / name)
        for part in lists:
            (tmp_path / folder / f"list_{part}.txt").write_text(f"{name} 0\n")
    with pytest.warns(CountWarning, match="msmt17: train has 2 images instead of 32,621"):
        assert load_train("msmt17", tmp_path / train).ids.tolist() == [0, 0]
    with pytest.warns(CountWarning, match="msmt17: query has 1 images"):
        assert len(load_tested("msmt17", tmp_path / test)[0].gallery) == 1
    with pytest.raises(DatasetError, match=f"no folder .*{train}"):
        load_train("msmt17", tmp_path / test)
    with pytest.raises(DatasetError, match=f"no folder .*{test}"):
        load_tested("msmt17", tmp_path / train)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ([], "no folder"),
        (["bounding_box_train/0001_c1.jpg", "query/0001_c1.jpg"], "no folder .*bounding_box_test"),
        (["bounding_box_train/x.jpg"], r"x\.jpg is not named <id>_c<camera>"),
    ],
)
def test_wrong_root_missing_split_and_strange_names_are_errors(tmp_path: Path, make: list[str], message: str) -> None:
    root = tree(tmp_path / "market", make)
    with pytest.raises(DatasetError, match=message):
        load_dataset("market1501", root)


def test_an_empty_split_is_an_error(tmp_path: Path) -> None:
    tree(tmp_path, ["bounding_box_train/0001_c1.jpg", "bounding_box_test/0001_c1.jpg"])
    (tmp_path / "query").mkdir()
    with pytest.raises(DatasetError, match="the query split has no images"):
        load_dataset("market1501", tmp_path)


def test_an_unknown_data_set_is_answered_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="unknown data set 'market', did you mean market1501"):
        load_dataset("market", tmp_path)


@pytest.mark.parametrize(
    ("home", "train", "test"),
    [("MSMT17_V1", "train", "test"), ("MSMT17_V2", "mask_train_v2", "mask_test_v2")],
)
def test_msmt17_in_both_layouts(tmp_path: Path, home: str, train: str, test: str) -> None:
    names = {
        "train": "0000/0000_000_01_0303morning_0008_0.jpg",
        "val": "0001/0001_000_15_0303morning_0008_0.jpg",
        "query": "0000/0000_001_02_0303noon_0008_0.jpg",
        "gallery": "0000/0000_002_14_0303noon_0008_0.jpg",
    }
    for part, name in names.items():
        folder = train if part in ("train", "val") else test
        draw(tmp_path / home / folder / name)
        (tmp_path / home / f"list_{part}.txt").write_text(f"{name} {int(name[:4])}\n\n")
    found = quietly("msmt17", tmp_path)
    assert found.train.cameras.tolist() == [1, 15]
    assert found.train.ids.tolist() == [0, 1]
    assert found.query.cameras.tolist() == [2]
    assert all(path.is_file() for part in (found.train, found.query, found.gallery) for path in part.paths)
    (tmp_path / home / "list_query.txt").write_text("0000/broken.jpg\n")
    with pytest.raises(DatasetError, match=r"list_query\.txt line 1"):
        quietly("msmt17", tmp_path)
    (tmp_path / home / "list_query.txt").unlink()
    with pytest.raises(DatasetError, match=r"cannot read .*list_query\.txt"):
        quietly("msmt17", tmp_path)


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


def test_own_folder_flat_and_in_splits(tmp_path: Path) -> None:
    flat = tree(tmp_path / "flat", ["anna_hall_1.jpg", "anna_hall_2.jpg", "anna_door_1.jpg", "ben_hall_1.jpg"])
    found = load_dataset("folder", flat)
    assert len(found.train) == 4
    assert (len(found.query), len(found.gallery)) == (3, 1)
    parts = tree(tmp_path / "parts", ["train/anna_1_1.jpg", "query/ben_1_1.jpg", "gallery/ben_2_1.jpg"])
    found = load_dataset("folder", parts)
    assert found.train.ids.tolist() == [0]
    assert found.query.ids.tolist() == found.gallery.ids.tolist() == [1]
    with pytest.raises(DatasetError, match=r"alone\.jpg is not named"):
        load_dataset("folder", tree(tmp_path / "bad", ["alone.jpg"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no images in"):
        load_dataset("folder", tmp_path / "empty")


def test_own_csv(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("path,id,camera,split\na.jpg,x_1,c,train\nb.jpg,y,d,query\nc.jpg,y,c,gallery\n")
    found = load_dataset("csv", file)
    assert found.train.paths == (tmp_path / "a.jpg",)
    assert found.query.ids.tolist() == [1]
    file.write_text("path,id,camera,split\na.jpg,x_1,c,Train\nb.jpg,y,d, QUERY\nc.jpg,y,c,Gallery \n")
    assert load_dataset("csv", file).query.ids.tolist() == [1], "capitals and spaces do not count"
    file.write_text("path,id\na.jpg,x\n")
    with pytest.raises(DatasetError, match="no column camera"):
        load_dataset("csv", file)
    file.write_text("path,id,camera,split\na.jpg,x,c,nonsense\n")
    with pytest.raises(DatasetError, match="line 2"):
        load_dataset("csv", file)
    file.write_text("path,id,camera\n")
    with pytest.raises(DatasetError, match="no rows"):
        load_dataset("csv", file)


def test_joined_sets_keep_their_people_and_cameras_apart() -> None:
    one = Split.of([(Path("a"), 5, 1), (Path("b"), 7, 2)])
    two = Split.of([(Path("c"), 5, 1), (Path("d"), 5, 3)])
    both = join([one, two])
    assert both.ids.tolist() == [0, 1, 2, 2]
    assert both.cameras.tolist() == [0, 1, 2, 3]


def test_hold_out_parts_by_identity() -> None:
    split = Split.of([(Path(str(i)), i // 2, i % 2) for i in range(40)])
    train, held = hold_out("folder", split)
    assert set(train.ids) | set(held.ids) == set(split.ids)
    assert not set(train.ids) & set(held.ids)
    assert held.identities.tolist() == [0, 7, 14]
    assert len(MARKET1501) == 100


@pytest.mark.needs("shared")
def test_the_fixed_validation_list_is_in_market1501(shared: Path) -> None:
    import tarfile

    with tarfile.open(shared / "data" / "market1501_train.tar.xz") as archive:
        names = [Path(name).name for name in archive.getnames() if "bounding_box_train/" in name]
    ids = {int(name[:4]) for name in names if name.endswith(".jpg")}
    assert len(ids) == 751
    assert ids >= MARKET1501


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


def test_every_name_has_a_loader_that_refuses_a_wrong_root(tmp_path: Path) -> None:
    for name in NAMES:
        with pytest.raises(DatasetError):
            load_dataset(name, tmp_path / "nowhere")


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


@pytest.mark.parametrize("name", ["①_1_0.jpg", "3²_1_0.jpg", "\uff11_1_0.jpg"])
def test_names_with_strange_digits_are_only_names(tmp_path: Path, name: str) -> None:
    tree(tmp_path, [name, name.replace("_1_", "_2_")])
    assert len(load_dataset("folder", tmp_path).train.identities) == 1


def test_images_beside_the_folders_of_the_splits_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, ["train/01_1_0.jpg", "02_1_0.jpg", "03_1_0.jpg"])
    with pytest.warns(CountWarning, match="2 images lie in .* beside its folders train and are left out"):
        assert len(load_dataset("folder", tmp_path).train) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_csv_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "own.csv").write_text("path,id,camera\na.jpg,é, 1\nb.jpg,é ,1\n", encoding=encoding)
    made = load_dataset("csv", tmp_path / "own.csv").train
    assert (made.ids.tolist(), made.cameras.tolist()) == ([0, 0], [0, 0])


def test_msmt17_lists_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    for name in ("train", "val", "query", "gallery"):
        (tmp_path / f"list_{name}.txt").write_text("0000/0000_000_01_x.jpg 0\n", encoding="utf-8-sig")
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert quietly("msmt17", tmp_path).train.paths[0] == tmp_path / "train" / "0000" / "0000_000_01_x.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"path,id,camera,split\na.jpg,1,1,train\nb.jpg,1,2,\nc.jpg,2,1,  \n", r"line 3: the split is empty \(2 of 3"),
        (b"path,id,camera\na\0.jpg,1,1\n", "line 2: path, id and camera are needed"),
        (b"path,id,camera,split\na.jpg,1,1,galery\n", "line 2: split 'galery' is none of train, query, gallery"),
        (b"path,id,camera\n\xe9.jpg,1,1\n", "no UTF-8 text of rows and columns"),
    ],
)
def test_csv_files_that_say_too_little(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "own.csv").write_bytes(text)
    with pytest.raises(DatasetError, match=message):
        load_dataset("csv", tmp_path / "own.csv")


def test_a_picture_of_gigantic_size_is_named(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png(50_000, 50_000, b"\0"))
    with pytest.raises(DatasetError, match=r"cannot decode image .*huge\.png: it has more than 120 million pixels"):
        read_image(path)


def test_own_folders_whose_splits_are_written_with_capitals(tmp_path: Path) -> None:
    """Fault: `Train`, `Query` and `Gallery` were "no images in ...", though a CSV file takes capitals."""
    for split, name in (("Train", "1_a_0.jpg"), ("QUERY", "2_a_0.jpg"), ("gallery", "2_b_0.jpg")):
        (tmp_path / split).mkdir()
        assert cv2.imwrite(str(tmp_path / split / name), np.zeros((8, 8, 3), np.uint8))
    dataset = load_dataset("folder", tmp_path)
    assert [len(part) for part in (dataset.train, dataset.query, dataset.gallery)] == [1, 1, 1]


def test_images_in_a_folder_for_each_person_are_told(tmp_path: Path) -> None:
    """Fault: "no images", where there are thousands, one folder deeper."""
    (tmp_path / "train" / "anna").mkdir(parents=True)
    assert cv2.imwrite(str(tmp_path / "train" / "anna" / "c1_0.jpg"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(
        DatasetError, match=r"no images in .*, but in folders below, as .*anna/c1_0\.jpg: put them into"
    ):
        load_dataset("folder", tmp_path)


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["bounding_box_train/0001_c1s1_000151_01.jpg", "query/0001_c2s1_000151_01.jpg"], "market1501"),
        (["bounding_box_test/0001_c1_f0001176.jpg", "query/0001_c2_f0002176.jpg"], "dukemtmc"),
        (["image_train/0001_c001_00016601_0.jpg", "image_query/0001_c002_00016602_0.jpg"], "veri"),
        (["train/0001/0001_000_01_0303morning_0008_0.jpg", "list_train.txt"], "msmt17"),
    ],
)
def test_the_folders_of_a_published_data_set_are_told_by_its_name(
    tmp_path: Path, names: list[str], called: str
) -> None:
    """Fault: its queries were taken for people of one's own, "no query has a match in the gallery"."""
    tree(tmp_path, [name for name in names if name.endswith(".jpg")])
    if "list_train.txt" in names:
        (tmp_path / "list_train.txt").touch()
    with pytest.raises(DatasetError, match=f"folders of another data set: give --dataset {called}"):
        load_dataset("folder", tmp_path)


def test_csv_files_of_excel_and_windows(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "b.png")
    (tmp_path / "own.csv").write_text("sep=;\npath;id;camera\na\\b.png;1;1\n")
    assert load_dataset("csv", tmp_path / "own.csv").train.paths == (tmp_path / "a" / "b.png",)


def test_the_columns_of_another_csv_are_told(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("filename,pid,camid\na.png,1,1\n")
    with pytest.raises(DatasetError, match="no column camera, id, path; its columns are: filename, pid, camid"):
        load_dataset("csv", tmp_path / "own.csv")


def test_junk_is_nobody_to_learn_from(tmp_path: Path) -> None:
    """Fault: all crops of nobody (-1) counted as one more person of the training set."""
    names = ("0002_c1s1_000001_00.jpg", "0007_c2s1_000001_00.jpg", "-1_c1s1_000002_00.jpg", "-1_c2s1_000009_00.jpg")
    tree(tmp_path / "bounding_box_train", names)
    with pytest.warns(CountWarning):
        train = load_train("market1501", tmp_path)
    assert train.ids.tolist() == [2, 7]
    assert join([train]).identities.tolist() == [0, 1]
