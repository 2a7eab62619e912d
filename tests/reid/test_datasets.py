"""Published data sets and their splits, on tiny trees that the tests make themselves."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from support.trees import draw, quietly, tree

from relaytrack.reid.datasets.base import JUNK, CountWarning, Split
from relaytrack.reid.datasets.factory import NAMES, hold_out, join, load_dataset, load_tested, load_train
from relaytrack.reid.datasets.market1501 import LAYOUTS
from relaytrack.reid.datasets.validation_ids import MARKET1501
from relaytrack.reid.errors import DatasetError


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


def test_every_name_has_a_loader_that_refuses_a_wrong_root(tmp_path: Path) -> None:
    for name in NAMES:
        with pytest.raises(DatasetError):
            load_dataset(name, tmp_path / "nowhere")


def test_msmt17_lists_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    for name in ("train", "val", "query", "gallery"):
        (tmp_path / f"list_{name}.txt").write_text("0000/0000_000_01_x.jpg 0\n", encoding="utf-8-sig")
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert quietly("msmt17", tmp_path).train.paths[0] == tmp_path / "train" / "0000" / "0000_000_01_x.jpg"


def test_junk_is_nobody_to_learn_from(tmp_path: Path) -> None:
    """Fault: all crops of nobody (-1) counted as one more person of the training set."""
    names = ("0002_c1s1_000001_00.jpg", "0007_c2s1_000001_00.jpg", "-1_c1s1_000002_00.jpg", "-1_c2s1_000009_00.jpg")
    tree(tmp_path / "bounding_box_train", names)
    with pytest.warns(CountWarning):
        train = load_train("market1501", tmp_path)
    assert train.ids.tolist() == [2, 7]
    assert join([train]).identities.tolist() == [0, 1]
