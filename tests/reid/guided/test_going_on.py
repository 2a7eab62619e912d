"""Guided training that is interrupted, killed and resumed, and the teachers' answers on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from relaytrack.reid.checkpoint import load_model
from relaytrack.reid.cli import main
from relaytrack.reid.datasets.base import Split
from relaytrack.reid.errors import TrainingError
from relaytrack.reid.evaluation.ranking import RankingScores
from relaytrack.reid.guided import learner
from relaytrack.reid.guided.learner import Guided
from relaytrack.reid.guided.memory import TeacherMemory, picture_key
from relaytrack.reid.guided.pictures import TrainingPictures
from relaytrack.reid.guided.recipe import Recipe
from relaytrack.reid.guided.teacher import OnnxTeacher, RetailTeacher, Teachers, normalised
from relaytrack.reid.installed import find_weights
from relaytrack.reid.model import ModelSpec, build_model
from relaytrack.reid.training.callbacks import try_to_save
from relaytrack.reid.training.loop import Callback, Learner

CPU = torch.device("cpu")
SPEC = ModelSpec(backbone="osnet_in_x0_25", attention="none", height=64, width=32, embedding_dim=24, head="depthwise")


class Colours(nn.Module):
    """A teacher that knows the mean colours of eight bands, and counts the pictures that it saw."""

    seen = 0

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return F.normalize(F.adaptive_avg_pool2d(images, (8, 1)).flatten(1), dim=1)


def pictures() -> TrainingPictures:
    torch.manual_seed(1)
    images = torch.randint(0, 256, (20, 1, 1, 3), dtype=torch.uint8).repeat(1, 256, 128, 1)
    labels = torch.tensor([*(n // 4 for n in range(16)), -1, -1, -1, -1])
    return TrainingPictures(images, labels, torch.ones(20), 4)


def training(
    out: Path,
    *,
    steps: int = 6,
    save_minutes: float = 5.0,
    key: str = "k",
    every: int = 100,
    validation: Mapping[str, Split] | None = None,
) -> Guided:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(SPEC, 4)
    recipe = Recipe(batch=12, people=2, steps=steps, every=every, warmup=2, known=0.5, save_minutes=save_minutes)
    return Guided(model, [Colours()], pictures(), validation or {}, recipe, out, key=key)


class At(Callback):
    """Does something after a step."""

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step, self.action = step, action

    def after_step(self, learner: Learner, values: Mapping[str, float]) -> None:
        if learner.step == self.step:
            self.action()


def stop() -> None:
    raise KeyboardInterrupt


def state_of(one: Guided) -> dict[str, Tensor]:
    averaged = {f"averaged.{name}": tensor for name, tensor in one.average.state_dict().items()}
    return {f"model.{name}": tensor for name, tensor in one.model.state_dict().items()} | averaged


def assert_same(one: Guided, other: Guided) -> None:
    mine, theirs = state_of(one), state_of(other)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_resumed_run_is_bit_identical(number: signal.Signals, tmp_path: Path) -> None:
    whole = training(tmp_path / "whole")
    whole.run()
    first = training(tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt, match="interrupted at step 3"):
        first.run(At(3, lambda: os.kill(os.getpid(), number)))
    second = training(tmp_path / "parts")
    second.resume(tmp_path / "parts" / "last.pt")
    assert second.step == 3
    second.run()
    assert_same(whole, second)


def test_a_killed_run_goes_on_where_it_last_saved(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import test_going_on as here; "
        "here.training(Path(sys.argv[2]), steps=500, save_minutes=0).run()"
    )
    out = tmp_path / "killed"
    with subprocess.Popen([sys.executable, "-c", script, str(Path(__file__).parent), str(out)]) as process:
        try:
            until = time.monotonic() + 120
            while not (out / "last.pt").is_file() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.3)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    step = int(torch.load(out / "last.pt", weights_only=True)["step"])
    assert 1 <= step < 500
    whole = training(tmp_path / "whole", steps=500)
    with pytest.raises(KeyboardInterrupt):
        whole.run(At(step + 2, stop))
    resumed = training(out, steps=500)
    resumed.resume(out / "last.pt")
    assert resumed.step == step
    with pytest.raises(KeyboardInterrupt):
        resumed.run(At(step + 2, stop))
    assert_same(whole, resumed)


def test_a_checkpoint_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = training(tmp_path)
    one.save()
    before = (tmp_path / "last.pt").read_bytes()

    def full(self: Path, data: object) -> int:
        with self.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    one.learn()
    try_to_save(one)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    one = training(tmp_path)
    with pytest.raises(TrainingError, match=r"last\.pt: no such file"):
        one.resume(tmp_path / "last.pt")
    one.save()
    with pytest.raises(TrainingError, match="other pictures or other teachers"):
        training(tmp_path, key="other").resume(tmp_path / "last.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(TrainingError, match="is no training checkpoint"):
        one.resume(tmp_path / "text.pt")
    torch.save({"step": 1}, tmp_path / "bare.pt")
    with pytest.raises(TrainingError, match="is no checkpoint of `reid guide`"):
        one.resume(tmp_path / "bare.pt")


def test_teachers_are_asked_once_for_a_picture(tmp_path: Path) -> None:
    given = pictures()
    teacher = Colours()
    key = picture_key(given.images, [b"a"])
    assert key != picture_key(given.images, [b"b"])
    assert key != picture_key(given.images[1:], [b"a"])
    memory = TeacherMemory(tmp_path, key, given.images, Teachers([teacher], 1, CPU), [24])
    chosen = torch.tensor([3, 1, 3])
    (told,) = memory(chosen)
    assert teacher.seen == 4  # two pictures and their mirror images
    again = TeacherMemory(tmp_path, key, given.images, Teachers([teacher], 1, CPU), [24])
    assert torch.equal(again(chosen)[0], told)
    assert teacher.seen == 4
    x = given.images[chosen].permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(told, teacher(normalised(x)))
    path = next(tmp_path.iterdir())
    path.write_bytes(b"cut short")
    renewed = TeacherMemory(tmp_path, key, given.images, Teachers([teacher], 1, CPU), [24])
    assert torch.equal(renewed(chosen)[0], told)
    assert np.isnan(np.fromfile(path, np.float32)).sum() == 18 * 24


@pytest.mark.needs("shared")
def test_teachers_say_the_same_in_torch_and_onnxruntime(shared: Path) -> None:
    path = shared / "models" / "retail_0288.onnx"
    x = torch.randn(3, 3, 256, 128, generator=torch.Generator().manual_seed(0))
    assert F.cosine_similarity(OnnxTeacher(path)(x), RetailTeacher(path)(x)).min() > 0.9999


def test_the_installed_weights_of_float16_are_a_teacher_in_both_forms() -> None:
    """Fault: `guide --teacher retail-0286`, as its help says, was refused as no such network."""
    path = find_weights("retail-0286")
    x = normalised(torch.rand(2, 3, 256, 128, generator=torch.Generator().manual_seed(3)))
    assert F.cosine_similarity(OnnxTeacher(path)(x), RetailTeacher(path)(x)).min() > 0.9999


def test_the_last_weights_are_the_averaged_ones(tmp_path: Path) -> None:
    one = training(tmp_path, steps=2)
    path = one.run()
    stored = load_model(path).state_dict()
    mine = one.average.module.state_dict()
    assert all(torch.equal(tensor, mine[name]) for name, tensor in stored.items())


def test_other_commands_read_the_average_of_a_checkpoint(tmp_path: Path) -> None:
    one = training(tmp_path, steps=3)
    one.run()
    mine = one.average.module.state_dict()
    last, parts = str(tmp_path / "last.pt"), ("mean", "out", "half")
    mean, out, half = (tmp_path / f"{name}.safetensors" for name in parts)
    assert main(["average", last, last, "--out", str(mean)]) == 0
    assert main(["export", last, str(out)]) == 0
    assert main(["average", last, str(out), "--out", str(half)]) == 0
    assert not torch.equal(one.model.state_dict()["head.project.weight"], mine["head.project.weight"])
    for path in (mean, out, half, tmp_path / "last.pt"):
        for name, tensor in load_model(path).state_dict().items():
            torch.testing.assert_close(tensor, mine[name], atol=1e-3, rtol=1e-3, msg=f"{path.name}: {name}")


def test_the_best_weights_by_the_held_out_people_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = iter([0.5, 0.7, 0.6, 0.65])
    held_out = Split((Path("a.jpg"),), np.zeros(1, np.int64), np.zeros(1, np.int64))
    monkeypatch.setattr(learner, "embed_files", lambda *_, **__: None)
    monkeypatch.setattr(
        learner, "evaluate_split", lambda *_: RankingScores.of(np.ones(1, np.int64), next(values), 0.5, 1)
    )
    kept: list[dict[str, Tensor]] = []

    def keep() -> None:
        kept.append({name: tensor.clone() for name, tensor in one.average.module.state_dict().items()})

    one = training(tmp_path, steps=3, every=1, validation={"own": held_out})
    one.run(At(2, keep))
    best = load_model(tmp_path / "best.safetensors").state_dict()
    assert all(torch.equal(tensor, kept[0][name]) for name, tensor in best.items()), "of step 2"
    assert one.best == pytest.approx(0.7)
    again = training(tmp_path, steps=4, every=1, validation={"own": held_out})
    again.resume(tmp_path / "last.pt")
    again.run()
    after = load_model(tmp_path / "best.safetensors").state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in best.items()), "0.65 is not better"
