"""The training configuration: presets, overrides, and answers to mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.reid.errors import ReidConfigError
from relaytrack.reid.model import build_model
from relaytrack.reid.training.config_file import PRESETS, load_config
from relaytrack.reid.training.start import initialise, spec_of

NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))


def test_the_promised_presets_are_there() -> None:
    assert {"light", "light_fine", "fast", "debug", "rga_sc_resnet50", "pfsa_resnet50"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_presets_are_valid_and_name_networks_that_exist(name: str) -> None:
    config = load_config(name)
    spec_of(config)
    assert config.run.iterations > 0


def test_the_papers_recipe() -> None:
    config = load_config("rga_sc_resnet50")
    epoch = 751 // config.data.identities
    assert epoch == 46
    assert config.run.iterations == 600 * epoch
    assert config.optim.warmup * 600 == pytest.approx(20, abs=0.01)
    assert config.optim.lr * config.optim.warmup_factor == pytest.approx(8e-6)
    assert [round(part * 600) for part in config.optim.milestones] == list(range(80, 361, 40))


def test_the_recipe_of_the_parameter_free_network() -> None:
    config = load_config("pfsa_resnet50")
    epoch = 12_936 // (config.data.identities * config.data.images)
    assert epoch == 269
    assert config.run.iterations == 100 * epoch
    assert config.optim.milestones == (0.4, 0.8)
    assert (config.optim.lr, config.optim.lr * config.optim.backbone_factor) == pytest.approx((0.1, 0.01))
    assert (config.model.height, config.model.width, config.model.head) == (384, 128, "stripes")


def test_overrides_reach_values_lists_and_new_keys() -> None:
    config = load_config(
        "debug", ["run.iterations=7", "data.sources.0.root=/x", "optim.lr=1e-5", "model.attention_stages=[1, 2]"]
    )
    assert config.run.iterations == 7
    assert config.data.sources[0].root == Path("/x")
    assert config.optim.lr == 1e-5
    assert config.model.attention_stages == (1, 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.iteration=7", r"debug\.yaml: unknown key 'run\.iteration', did you mean 'iterations'\?"),
        ("modle.height=64", r"unknown key 'modle', did you mean 'model'\?"),
        ("data.sources.0.rot=/x", r"unknown key 'data\.sources\.0\.rot', did you mean 'root'\?"),
        ("run.low_resolution.0.untl=0.5", r"unknown key 'run\.low_resolution\.0\.untl', did you mean 'until'\?"),
        ("run.iterations=none", r"run\.iterations: must be a whole number \(got 'none'\)"),
        ("data.sources.4.root=/x", r"--set data\.sources\.4\.root: no entry '4' there"),
        ("run.iterations", r"--set 'run\.iterations': write key\.path=value"),
        ("run.iterations.x=1", r"--set run\.iterations\.x: there is nothing below 'run\.iterations'"),
        ("run.seed=-1", r"run\.seed: must be 0 or more"),
        ("run.seed=[1", r"--set run\.seed: the value is no YAML"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ReidConfigError, match=message):
        load_config("debug", [override])


def test_files_that_are_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ReidConfigError, match=r"picture: not a configuration \(UTF-8 text\)"):
        load_config(tmp_path / "picture")
    with pytest.raises(ReidConfigError, match="null character"):
        load_config("a\0b")
    with pytest.raises(ReidConfigError, match="no configuration nothing"):
        load_config("nothing")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(ReidConfigError, match=r"broken\.yaml: not valid YAML in line"):
        load_config(broken)
    broken.write_text("- 1")
    with pytest.raises(ReidConfigError, match="a configuration is a mapping of sections, this is a list"):
        load_config(broken)


def test_a_configuration_survives_being_written(tmp_path: Path) -> None:
    import yaml

    config = load_config("light")
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config.dump()))
    assert load_config(file) == config


def test_initial_weights_that_nobody_has(tmp_path: Path) -> None:
    model = build_model(spec_of(load_config("debug", ["model.backbone=osnet_x0_25", "model.attention=none"])))
    with pytest.raises(ReidConfigError, match="torchvision has no weights of osnet_x0_25"):
        initialise(model, "imagenet")
