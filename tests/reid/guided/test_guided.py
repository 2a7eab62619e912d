"""Training with teachers on pictures made here."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.cli import main
from relaytrack.reid.datasets.base import JUNK, Split
from relaytrack.reid.errors import DatasetError, TrainingError
from relaytrack.reid.guided import degrade
from relaytrack.reid.guided.draw import Draw
from relaytrack.reid.guided.learner import Guided
from relaytrack.reid.guided.pictures import PictureSource, TrainingPictures, crops_without_ids, load_pictures
from relaytrack.reid.guided.recipe import Recipe
from relaytrack.reid.guided.regress import resized
from relaytrack.reid.guided.teacher import normalised
from relaytrack.reid.guided.views import boxes, random_views
from relaytrack.reid.model import ModelSpec, build_model

CPU = torch.device("cpu")
SMALL = ModelSpec(backbone="osnet_in_x0_25", attention="none", height=64, width=32, embedding_dim=24, head="depthwise")


@pytest.fixture
def people(tmp_path: Path) -> Split:
    """Four people of two colours each, under two cameras."""
    rows = []
    draw = np.random.default_rng(0)
    for person in range(4):
        top, legs = draw.integers(40, 255, (2, 3))
        for number in range(4):
            image = draw.integers(0, 40, (64, 32, 3)).astype(np.uint8)
            image[8:34, 8:24], image[34:60, 10:22] = top, legs
            path = tmp_path / f"{person:04d}_c{1 + number % 2}_{number}.png"
            cv2.imwrite(str(path), image)
            rows.append((path, person + 7, number % 2))
    return Split.of(rows)


class Colours(nn.Module):
    """A teacher that knows the mean colours of eight bands."""

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(F.adaptive_avg_pool2d(images, (8, 1)).flatten(1), dim=1)


def test_ids_of_different_sources_stay_apart(people: Split, tmp_path: Path) -> None:
    unknown = dataclasses.replace(people, ids=np.full(len(people), JUNK, np.int64))
    pictures = load_pictures(
        [PictureSource("a", people), PictureSource("crops", unknown, 2.0), PictureSource("b", people)], CPU
    )
    assert pictures.images.shape == (48, 256, 128, 3)
    assert pictures.classes == 8
    assert pictures.labels.tolist() == [n // 4 for n in range(16)] + [-1] * 16 + [4 + n // 4 for n in range(16)]
    assert pictures.draw.tolist() == [1.0] * 16 + [2.0] * 16 + [1.0] * 16
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "._0000_c1_0.png").write_bytes(b"no picture")
    found = crops_without_ids(tmp_path)
    assert len(found) == 17
    assert len(load_pictures([PictureSource("crops", found)], CPU).images) == 16
    with pytest.raises(DatasetError, match="none of the 1 pictures can be read"):
        load_pictures([PictureSource("x", Split.of([(tmp_path / "broken.jpg", 1, 1)]))], CPU)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no images in .*empty"):
        crops_without_ids(tmp_path / "empty")


def test_views_keep_shape_range_and_people() -> None:
    torch.manual_seed(0)
    crops = torch.randint(0, 256, (40, 256, 128, 3), dtype=torch.uint8)
    views = random_views(crops, (192, 96), np.random.default_rng(0))
    assert views.plain.shape == (40, 3, 256, 128)
    assert views.worse.shape == (40, 3, 192, 96)
    assert (~views.whole).sum() == 6
    for picture in views[:2]:
        assert picture.min() >= 0
        assert picture.max() <= 1


def test_jpeg_blocks_lose_detail_and_keep_means() -> None:
    torch.manual_seed(0)
    x = 0.3 + 0.4 * torch.rand(6, 3, 32, 16)
    y = degrade.jpeg(x)
    assert (y - x).abs().mean() > 0.02
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)), atol=0.05, rtol=0)
    flat = torch.full((4, 3, 16, 8), 0.5)
    torch.testing.assert_close(degrade.jpeg(flat), flat, atol=0.03, rtol=0)


def test_blur_and_few_pixels_smooth() -> None:
    torch.manual_seed(0)
    x = torch.rand(8, 3, 64, 32)
    for change in (degrade.blur, degrade.few_pixels):
        y = change(x, np.random.default_rng(0))
        assert y.shape == x.shape
        assert y.diff(dim=2).abs().mean() < 0.8 * x.diff(dim=2).abs().mean()


def test_cut_boxes_hold_a_part_of_the_height() -> None:
    torch.manual_seed(0)
    maps = boxes(2000, CPU, scale=0.0, shift=0.0, cut=0.5, flip=False)
    scale, shift = maps[:, 1, 1], maps[:, 1, 2]
    short = scale < 1
    assert 0.4 < short.float().mean() < 0.6
    assert scale.min() >= 0.5
    # a box never reaches past the picture
    assert (shift.abs() + scale).max() < 1 + 1e-5


def test_a_student_comes_to_see_as_its_teacher(people: Split, tmp_path: Path) -> None:
    pictures = load_pictures([PictureSource("own", people)], CPU)
    torch.manual_seed(0)
    model = build_model(SMALL, pictures.classes)
    recipe = Recipe(batch=16, people=2, steps=6, every=3, warmup=2)
    training = Guided(model, [Colours()], pictures, {"own": people}, recipe, tmp_path / "out", key="k")
    training.regress_head()
    assert training.run().is_file()
    rows = list(csv.DictReader((tmp_path / "out" / "validation_own.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["3", "6"]
    rows = list(csv.DictReader((tmp_path / "out" / "steps.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert all(float(row[name]) > 0 for row in rows for name in ("cosine", "relational", "cross_entropy", "lr"))
    x = pictures.images.permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        seen = model.eval()(normalised(resized(x, model)))
        told = Colours()(normalised(x))
    assert F.cosine_similarity(seen, told).mean() > 0.8
    with pytest.raises(TrainingError, match="with 2 teachers the depthwise head must have 2 parts"):
        Guided(model, [Colours(), Colours()], pictures, {}, recipe, tmp_path, key="k")
    with pytest.raises(TrainingError, match="are too few for a batch of 64"):
        Guided(model, [Colours()], pictures, {}, dataclasses.replace(recipe, batch=64), tmp_path, key="k")


@pytest.mark.parametrize(("people", "regression"), [(0, 4.0), (2, 0.0)])
def test_parts_are_left_out(people: int, regression: float, tmp_path: Path) -> None:
    """Without ids, and without teachers: the loss has the other terms only."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (16, 256, 128, 3), dtype=torch.uint8)
    pictures = TrainingPictures(images, torch.arange(16) // 4, torch.ones(16), 4)
    recipe = Recipe(batch=12, people=people, steps=1, regression=regression, relation=regression, every=1)
    one = Guided(build_model(SMALL, 4), [Colours()], pictures, {}, recipe, tmp_path, key="k")
    values = one.learn()
    assert ("triplet" in values) == bool(people)
    parts = {"cosine": regression, "relational": regression, "cross_entropy": 0.2, "triplet": 0.5}
    nothing = dataclasses.replace(recipe, people=0, regression=0.0, relation=0.0)
    with pytest.raises(TrainingError, match="nothing would be learned"):
        Guided(build_model(SMALL, 4), [Colours()], pictures, {}, nothing, tmp_path, key="k")
    assert values["loss"] == pytest.approx(sum(w * values.get(name, 0.0) for name, w in parts.items()), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--teacher", "none.onnx"], "none.onnx"),
        (["--teacher", "TEACHER", "--size", "100x50"], "multiples of 16"),
        (["--teacher", "TEACHER"], "nothing to learn from"),
        (["--teacher", "TEACHER", "--crops", "nowhere"], "nowhere"),
        (["--teacher", "TEACHER", "--crops", "CROPS", "--draw", "crops=-1"], "crops=-1: must be a positive number"),
        (["--teacher", "TEACHER", "--crops", "CROPS", "--draw", "other=1"], "other: unknown source"),
        (["--teacher", "TEACHER", "--crops", "CROPS", "--loss", "colour=1"], "colour: unknown term"),
        (["--teacher", "TEACHER", "--crops", "CROPS", "--loss", "triplet=-1"], "must be a positive number or 0"),
        (["--teacher", "TEACHER", "--crops", "CROPS", "--known", "2"], "--known must be between 0 and 1, not 2"),
        (
            ["--teacher", "TEACHER", "--crops", "CROPS", "--average", "1"],
            "--average must be at least 0 and below 1, not 1",
        ),
        (["--teacher", "TEACHER", "--crops", "CROPS", "--warmup", "0"], "--warmup must be at least 1, not 0"),
    ],
)
@pytest.mark.needs("shared")
def test_bad_input_is_one_line(
    arguments: list[str], message: str, people: Split, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"TEACHER": str(shared / "models" / "retail_0288.onnx"), "CROPS": str(people.paths[0].parent)}
    given = [names.get(word, word) for word in arguments]
    assert main(["guide", *given, "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_batch_of_known_people_alone_is_drawn() -> None:
    pictures: Any = SimpleNamespace(draw=torch.ones(8), labels=torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), classes=2)
    drawn = Draw(pictures, batch=8, people=2)()
    assert sorted(pictures.labels[drawn].tolist()) == [0] * 4 + [1] * 4


def test_people_without_a_picture_that_can_be_read_are_no_class(people: Split) -> None:
    """Fault: a step that drew the last of them ended the training."""
    for path in people.paths[4:8] + people.paths[12:]:
        path.write_bytes(b"no picture")
    pictures = load_pictures([PictureSource("a", people, 3.0)], CPU)
    assert (pictures.classes, pictures.labels.tolist()) == (2, [0] * 4 + [1] * 4)
    assert pictures.draw.tolist() == [3.0] * 8
    for _ in range(20):
        assert Draw(pictures, 8, 2)().max() < 8
