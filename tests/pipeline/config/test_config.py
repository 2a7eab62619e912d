"""Configurations: defaults, names, overrides, and one clear line for every mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from relaytrack.pipeline.config.loading import load_config, parse_assignment
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.reid.training.config_file import load_config as load_training

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def names(*urls: str) -> list[str]:
    return [camera.name for camera in load_config(data={"cameras": list(urls)}).cameras]


def test_names_come_from_file_stems_and_rtsp_is_numbered() -> None:
    assert names("a/left.mp4", "rtsp://host/x", "right.avi", "rtsp://host/y") == ["left", "cam1", "right", "cam2"]


def test_names_are_unique_and_fit_file_names() -> None:
    assert names("a/x.mp4", "b/x.mp4", "c/my clip (1).mp4") == ["x", "x_2", "my_clip_1"]
    assert names("nul.mp4", "-x-.mp4", "con1.mp4") == ["nul_", "x", "con1"]


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [a.mp4]\ndetector: {score_threshold: 0.4}\n")
    changed = {"detector.score_threshold": 0.5, "cameras.0.max_fps": 3, "tracker.n_init": 2, "run.fps": 5}
    config = load_config(path, overrides=changed)
    assert config.detector.score_threshold == 0.5
    assert config.cameras[0].max_fps == 3
    assert config.tracker.n_init == 2
    assert config.run.fps == 5


def test_relative_paths_start_at_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "c.yaml").write_text("cameras: [clip.mp4]\n")
    assert load_config(tmp_path / "c.yaml").cameras[0].url == str(tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"detector": {"image_size": -1}}, r"detector.image_size: must be 32 or more, or 'auto' \(got -1\)"),
        ({"cameras": [{"url": "a.mp4", "ground": 5}]}, r"cameras.0.ground: must be a mapping .*, or text"),
        ({5: {}}, "5: keys are text"),
        ({"detectr": {}}, "unknown key 'detectr', did you mean 'detector'?"),
        ({"detector": {"score_treshold": 1}}, "unknown key 'detector.score_treshold', did you mean 'score_threshold'?"),
        ({"detector": {"score_threshold": "high"}}, "detector.score_threshold: .*number.*'high'"),
        ({"detector": {"score_threshold": 1.5}}, "detector.score_threshold: .*1.5"),
        ({"detector": {"backend": "nanodt"}}, "detector.backend: .*nanodet.*nanodt"),
        ({"tracker": {"n_intt": 3}}, "tracker: unknown key 'n_intt', did you mean 'n_init'?"),
        ({"tracker": {"n_init": "three"}}, "tracker.*n_init"),
        ({"identities": {"treshold": 0.5}}, "identities: unknown key 'treshold', did you mean 'threshold'?"),
        ({"cameras": [{"url": "a.mp4", "nme": "x"}]}, "unknown key 'cameras.0.nme', did you mean 'name'?"),
        ({"cameras": [{"url": "a", "name": "x"}, {"url": "b", "name": "x"}]}, "two cameras are named 'x'"),
        ({"cameras": [{"url": "a", "name": "Ab"}, {"url": "b", "name": "aB"}]}, "two cameras are named 'Ab' and 'aB'"),
        ({"cameras": [{"url": "a", "name": "Mosaic"}]}, "the name of the picture of all cameras"),
        ({"cameras": [{"url": "a", "name": "x" * 201}]}, "too long for a camera name"),
        ({"cameras": [{"url": "a", "name": "CON"}]}, "names a device on Windows"),
        ({"cameras": [{"url": "a", "name": "lpt9"}]}, "names a device on Windows"),
        ({"cameras": [{"url": "a", "name": "--out"}]}, "begins like an option"),
        ({"cameras": [{"url": "a", "name": "my cam"}]}, "cameras.0.name: 'my cam' is not a camera name"),
        ({"cameras": [{"url": "a", "roi": [0, 0, 0, 5]}]}, "cameras.0.roi: roi is x, y, width, height"),
        ({"cameras": [{"url": "a", "offset": 1e12}]}, "cameras.0.offset: must be .* or less"),
        ({"cameras": [{"url": "a", "fps": 1e-9}]}, "cameras.0.fps: must be .* or more"),
        ({"cameras": "a.mp4"}, "cameras: "),
        ({"run": {"device": "gpu"}}, "run.device: .*gpu"),
    ],
)
def test_a_mistake_is_named_in_one_line(data: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        load_config(data=data)
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a.*b.*null character"):
        load_config("a\0b")
    with pytest.raises(ConfigError, match=r"nothing\.yaml: no such configuration file"):
        load_config(tmp_path / "nothing.yaml")
    (tmp_path / "bad.yaml").write_text("cameras: [a\nb: {")
    with pytest.raises(ConfigError, match=r"bad\.yaml: not valid YAML in line 2"):
        load_config(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="a configuration is a mapping"):
        load_config(tmp_path / "list.yaml")


@pytest.mark.parametrize("value", ["weights/a #b.onnx", "#ff8000", "a  #", "Gate #4"])
def test_a_number_sign_begins_no_comment_in_an_option(value: str) -> None:
    """Fault: a path was cut there, and a colour was nothing."""
    assert parse_assignment(f"detector.weights={value}") == ("detector.weights", value)
    assert parse_assignment(f"a.b='{value}'") == ("a.b", value)
    assert parse_assignment(f"a.b=['{value}', 2]") == ("a.b", [value, 2])
    assert load_training("light", [f"data.sources.0.root={value}"]).data.sources[0].root == Path(value)


def test_an_assignment_is_read_as_yaml() -> None:
    assert parse_assignment("run.fps=5") == ("run.fps", 5)
    assert parse_assignment("cameras.0.url=rtsp://a?b=c") == ("cameras.0.url", "rtsp://a?b=c")
    with pytest.raises(ConfigError, match=r"key\.path=value"):
        parse_assignment("run.fps")


def test_the_first_sink_is_made_by_an_override() -> None:
    config = load_config(overrides={"sinks.0.name": "mqtt", "sinks.0.options.host": "broker"})
    assert (config.sinks[0].name, config.sinks[0].options) == ("mqtt", {"host": "broker"})


def test_an_override_below_nothing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"--set cameras\.3\.url: no entry '3' there"):
        load_config(data={"cameras": ["a.mp4"]}, overrides={"cameras.3.url": "b.mp4"})


def test_what_is_published_holds_no_password() -> None:
    config = load_config(data={"cameras": ["rtsp://bob:s3cret@host/x", "rtsp://host/y?password=s3cret"]})
    assert "s3cret" not in str(config.public())
    assert "bob" not in str(config.public())


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_bundled_configuration_loads(path: Path) -> None:
    config = load_config(path)
    assert path.stem == "default" or config.cameras


def test_the_default_configuration_states_the_defaults() -> None:
    written = yaml.safe_load((CONFIGS / "default.yaml").read_text())
    real = Config().model_dump(mode="json")
    for section, values in written.items():
        if isinstance(values, dict):
            assert values == real[section], section
    assert set(written) == set(real)


def test_a_cameras_floor_is_checked_and_read_from_a_file(tmp_path: Path) -> None:
    from relaytrack.pipeline.config.ground import ground_planes

    points = [[0, 0, 0, 0], [100, 0, 1, 0], [100, 100, 1, 1], [0, 100, 0, 1]]
    (tmp_path / "floor.yaml").write_text(yaml.safe_dump({"ground": {"points": points}}))
    (tmp_path / "c.yaml").write_text("cameras: [{url: a.mp4, ground: floor.yaml}]\n")
    plane = ground_planes(load_config(tmp_path / "c.yaml"))["a"]
    assert plane.project([[50, 50]])[0] == pytest.approx([0.5, 0.5])
    with pytest.raises(ConfigError, match=r"cameras\.0\.ground: ground plane: .*homography"):
        load_config(data={"cameras": [{"url": "a.mp4", "ground": {"homografy": 1}}]})
    with pytest.raises(ConfigError, match=r"camera 'a': ground: .*gone.yaml: No such file"):
        ground_planes(load_config(data={"cameras": [{"url": "a.mp4", "ground": "gone.yaml"}]}))
    for text, said in (
        ("- 1\n", "no keys of a calibration"),
        ("a: [\n", "not valid YAML"),
        ("points: [[1, 1, 1, 1]]\n", "at least four"),
        ("%YAML:1.0\n---\nhomography: !!opencv-matrix\n   rows: 3\n", "OpenCV's own form of YAML"),
    ):
        (tmp_path / "floor.yaml").write_text(text)
        with pytest.raises(ConfigError, match=rf"camera 'a': ground: .*floor\.yaml: .*{said}"):
            ground_planes(load_config(tmp_path / "c.yaml"))


def test_names_of_files_differ_in_more_than_capitals() -> None:
    """On many disks `Gate.mp4` and `gate.mp4` are one file; `mosaic.mp4` is the video of all cameras."""
    urls = ["/a/Gate.mp4", "/b/gate.mp4", "/c/GATE.mp4", "/d/mosaic.mp4", "/e/Mosaic.mp4"]
    names = [camera.name for camera in load_config(data={"cameras": urls}).cameras]
    assert names == ["Gate", "gate_2", "GATE_3", "mosaic_2", "Mosaic_3"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cameras: [a.mp4]\nrun: {fps: 5}\ncameras: [b.mp4]\n", "cameras is there twice, again in line 3"),
        ("cameras:\n  - url: a.mp4\n    fps: 5\n    fps: 6\n", "fps is there twice, again in line 4"),
        ("cameras: [a.mp4]\nrun: {fps: 5, fps: 6}\n", "fps is there twice, again in line 2"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, line: str, tmp_path: Path) -> None:
    """The first value was lost without a word, with it a whole list of cameras."""
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=line):
        load_config(tmp_path / "c.yaml")


def test_zeros_in_front_do_not_make_a_number_octal(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cameras: [{url: a.mp4, offset: 010}]\nrun: {fps: 08}\n")
    config = load_config(tmp_path / "c.yaml")
    assert (config.cameras[0].offset, config.run.fps) == (10, 8)
    assert load_config(data={"cameras": []}, overrides=dict([parse_assignment("run.fps=012")])).run.fps == 12


def test_merged_mappings_may_say_a_key_again(tmp_path: Path) -> None:
    text = "cameras:\n  - &first {url: a.mp4, name: a, offset: 3}\n  - {<<: *first, name: b}\n"
    (tmp_path / "c.yaml").write_text(text)
    assert [(camera.name, camera.offset) for camera in load_config(tmp_path / "c.yaml").cameras] == [("a", 3), ("b", 3)]


def test_a_section_without_a_line_has_its_defaults(tmp_path: Path) -> None:
    """Fault: `tracker:` whose keys were all commented out was refused in words of the library."""
    path = tmp_path / "c.yaml"
    sections = "".join(f"{name}:\n" for name in Config.model_fields if name != "cameras")
    path.write_text(f"cameras:\n  - a.mp4\n{sections}  # nothing\n")
    assert load_config(path) == load_config(data={"cameras": [str(tmp_path / "a.mp4")]})
    assert load_config(path, overrides={"tracker.upright_track_thresh": 0.2}).tracker.upright_track_thresh == 0.2
    path.write_text("cameras:\n")
    assert load_config(path).cameras == ()


def test_paths_of_a_configuration_from_a_pipe_start_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: `relaytrack run <(make_config)` looked for the cameras in /dev/fd."""
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.write(writing, b"cameras: [a.mp4]\n")
    os.close(writing)
    try:
        assert load_config(f"/dev/fd/{reading}").cameras[0].url == "a.mp4"
    finally:
        os.close(reading)
