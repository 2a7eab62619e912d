"""One's own people: folders of crops and CSV files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.trees import draw, tree

from relaytrack.reid.datasets.base import CountWarning
from relaytrack.reid.datasets.factory import load_dataset
from relaytrack.reid.errors import DatasetError


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
