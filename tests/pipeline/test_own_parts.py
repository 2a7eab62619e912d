"""Parts and configurations that a program hands to `Pipeline`: taken, or refused before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError, InputError
from relaytrack.pipeline.identity import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.records import Detections, Frame, FrameInfo, FrameTracks, Step
from relaytrack.trackers import DeepSort, IdentityAssociator
from tests.support.world import Keep, Walk

SETTINGS = {"cameras": ["samples/west.mp4"], "output": {"dir": None}, "run": {"max_seconds": 0.3}}


class Nobody:
    """Finds nobody."""

    provider = "test"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections.empty() for _ in frames]


class Colour:
    """Describes anybody by two numbers."""

    input_size = (8, 4)
    dim = 2

    def embed(self, crops: Any) -> Any:
        return np.tile(np.float32([0.6, 0.8]), (len(crops), 1))


class Somebody:
    """Finds somebody who stands."""

    provider = "test"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections(np.float32([[10, 10, 60, 160]]), np.float32([0.9])) for _ in frames]


class Wrong(Nobody):
    """Answers with an array, as many detectors do."""

    def detect(self, frames: Sequence[Frame]) -> Any:
        return np.zeros((0, 6))


class Camera(Walk):
    """A camera with other attributes, or without one: those given as ""."""

    def __init__(self, **changed: Any) -> None:
        super().__init__("m")
        vars(self).update(changed)
        for name, value in changed.items():
            if value == "":
                delattr(self, name)


class Sized(Colour):
    """An embedder with other sizes."""

    def __init__(self, **changed: Any) -> None:
        vars(self).update(changed)


class Answers:
    """An identity service that answers what it is told to; it lacks one method, or none."""

    def __init__(self, answer: Any, lacks: str = "") -> None:
        self.answer = answer
        for name in {"calibrate", "final_identities", "status", "close"} - {lacks}:
            setattr(self, name, getattr(LocalIdentityService(IdentityAssociator()), name))

    def update(self, messages: Sequence[TrackletMessage]) -> Any:
        return self.answer(messages)


class Policies:
    """A receiver that declares how it is treated."""

    def __init__(self, **declared: str) -> None:
        vars(self).update(declared)

    def write(self, step: Step) -> None: ...

    def close(self) -> None: ...


def test_a_configuration_may_be_a_mapping_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    video = Path("samples/west.mp4").resolve()
    file.write_text(f"cameras: [{video}]\noutput: {{dir: null}}\nrun: {{max_seconds: 0.3}}\n")
    for given in (SETTINGS, str(file), file, load_config(SETTINGS)):
        summary = Pipeline(given, detector=Nobody(), embedder=Colour()).run()
        assert [camera.frames for camera in summary.cameras.values()] == [3]


@pytest.mark.parametrize("given", [["samples/west.mp4"], None, 5])
def test_anything_else_is_no_configuration(given: Any) -> None:
    with pytest.raises(ConfigError, match="a configuration is a Config, a file or a mapping, not"):
        Pipeline(given)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"detector": Nobody}, "detector: an object is wanted, not the class Nobody itself"),
        ({"detector": lambda frames: []}, r"detector: function has no detect\(\)"),
        ({"embedder": Nobody()}, "embedder: Nobody has no input_size"),
        ({"tracker": DeepSort}, "tracker: a function .* is wanted, .*, not the class DeepSort itself"),
        ({"tracker": DeepSort()}, "tracker: a function .*, not a DeepSort: each camera has a tracker of its own"),
        ({"sinks": Nobody()}, "sinks: a list is wanted, not a single Nobody"),
        ({"sinks": [print]}, r"sinks.0: builtin_function_or_method has no write\(\)"),
        ({"sources": ["samples/west.mp4"]}, "sources.0: str has no name"),
        ({"sources": [Camera(fps="")]}, "sources.0: Camera has no fps"),
        ({"sources": [Camera(stats=None)]}, "sources.0: its stats are a NoneType, not SourceStats"),
        ({"sources": [Camera(name=5)]}, "sources.0: its name is 5, not a text"),
        ({"sources": [Camera(name="../m")]}, r"camera: name: '../m' is not a camera name"),
        ({"embedder": Sized(dim="x")}, "embedder: dim is 'x', not the length of an embedding"),
        ({"embedder": Sized(dim=0)}, "embedder: dim is 0,"),
        ({"embedder": Sized(input_size=5)}, r"embedder: input_size is 5, not the \(height, width\) of a crop"),
        ({"embedder": Sized(input_size=(0, 8))}, r"embedder: input_size is \(0, 8\),"),
        ({"until": "end"}, "until: 'end' is neither 'sources_end' nor 'stopped'"),
        ({"identities": object()}, r"identities: object has no update\(\)"),
        ({"identities": Answers(None, "final_identities")}, r"identities: Answers has no final_identities\(\)"),
        ({"sinks": [Policies(when_full="wait")]}, "sinks.0: when_full: 'wait' is none of 'block', 'drop_oldest'"),
        ({"sinks": [Policies(on_error="shrug")]}, "sinks.0: on_error: 'shrug' is none of 'fail', 'disable', 'retry'"),
    ],
)
def test_a_part_that_lacks_something_is_named_at_once(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Pipeline(SETTINGS, **parts)


def test_a_sink_that_joins_later_is_looked_at_the_same_way() -> None:
    pipeline = Pipeline(SETTINGS, detector=Nobody(), embedder=Colour())
    with pytest.raises(ConfigError, match=r"sink: Nobody has no write\(\)"):
        pipeline.add_sink(Nobody())  # type: ignore[arg-type]

    for policy in ("when_full", "on_error"):
        with pytest.raises(ConfigError, match=f"sink: {policy}: 'sometimes' is none of"):
            pipeline.add_sink(Policies(), **{policy: "sometimes"})


def test_a_box_outside_the_picture_harms_nothing() -> None:
    class Outside(Nobody):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            box = np.float32([[5000, 5000, 5040, 5100], [-300, -300, -200, -100]])
            return [Detections(box, np.float32([0.9, 0.8])) for _ in frames]

    summary = Pipeline(SETTINGS, detector=Outside(), embedder=Colour()).run()
    assert [camera.frames for camera in summary.cameras.values()] == [3]


def test_a_detector_that_answers_something_else_ends_the_run_by_name() -> None:
    with pytest.raises(InputError, match="detector Wrong: 0 answers to 1 frames"):
        Pipeline(SETTINGS, detector=Wrong(), embedder=Colour()).run()


def fails(*given: Any, **named: Any) -> Any:
    """Any call of a part."""
    raise KeyError("mine")


def answer(ids: Any, tracks: Any = ()) -> Any:
    return lambda messages: IdentityAnswer(ids, tracks)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"detector": Nobody()}, "detector Nobody: KeyError: 'mine'"),
        ({"embedder": Colour()}, "embedder Colour: KeyError: 'mine'"),
        ({"tracker": lambda camera: Answers(None)}, "tracker Answers: KeyError: 'mine'"),
        ({"identities": Answers(None)}, "identity service Answers: KeyError: 'mine'"),
    ],
)
def test_what_fails_in_a_part_of_somebody_elses_ends_the_run_by_its_name(
    parts: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the part's exception came out of the run as it was, and from the command line as a traceback."""
    for part, method in ((Nobody, "detect"), (Colour, "embed"), (Answers, "update")):
        if f" {part.__name__}:" in told:
            monkeypatch.setattr(part, method, fails)
    run = Pipeline(SETTINGS, **{"detector": Somebody(), "embedder": Colour(), **parts})
    with pytest.raises(InputError, match=told) as caught:
        run.run()
    assert isinstance(caught.value.__cause__, KeyError)
    assert run.status().error == told


@pytest.mark.parametrize("method", ["final_identities", "close"])
def test_an_identity_service_that_fails_at_the_end_is_named(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: its exception came out of the run as it was."""
    service = Answers(LocalIdentityService(IdentityAssociator()).update)
    monkeypatch.setattr(service, method, fails)
    run = Pipeline(SETTINGS, detector=Nobody(), embedder=Colour(), identities=service)
    with pytest.raises(InputError, match="identity service Answers: KeyError: 'mine'"):
        run.run()
    assert run.status().state == "failed"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda messages: None, "its answer cannot be read"),
        (answer((), ()), r"global_ids of \[\] tracks, the messages have \[0\]"),
        (answer(([0],), ([],)), r"global_ids of \[1\] tracks, the messages have \[0\]"),
        (answer(([],), ([1],)), r"track_ids of \[1\] tracks"),
        (answer(([0.5],), ([1],)), r"its answer cannot be read \(ids of type float64\)"),
    ],
)
def test_an_identity_service_that_answers_something_else_ends_the_run_by_name(given: Any, told: str) -> None:
    with pytest.raises(InputError, match=f"identity service Answers: {told}"):
        Pipeline(SETTINGS, detector=Nobody(), embedder=Colour(), identities=Answers(given)).run()  # type: ignore[arg-type]


def test_a_step_is_shown_without_its_pixels_and_embeddings() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    info = FrameInfo("gate", 7, 1.0, (4, 4))
    one = np.ones(1, np.int64)
    tracks = FrameTracks(
        info, one, one, np.ones((1, 4), np.float32), np.ones(1, np.float32), embeddings=np.ones((1, 512))
    )
    shown = repr(Step(1.0, (tracks,), images={"gate": image})) + repr(Frame("gate", 7, 1.0, image))
    assert len(shown) < 700
    assert "gate" in shown


@pytest.mark.parametrize("which", ["images", "drawn"])
@pytest.mark.parametrize("hidden", ["none", "persons"])
def test_a_sink_that_paints_into_the_pictures_fails_alone(which: str, hidden: str) -> None:
    """Fault: whatever it painted was in the pictures of all others, videos included."""

    class Paints(Keep):
        def write(self, step: Step) -> None:
            for image in getattr(step, which).values():
                cv2.rectangle(image, (0, 0), (50, 50), (255, 0, 255), -1)

    painter, other = Paints(pixels=True, drawn=True), Keep(pixels=True, drawn=True)
    output = {"dir": None, "anonymise": None if hidden == "none" else hidden}
    run = Pipeline({**SETTINGS, "output": output}, detector=Somebody(), embedder=Colour(), sinks=[painter, other])
    run.run()
    assert run.status().sinks["Paints"].state == "disabled"
    pictures = [image for step in other.steps for image in getattr(step, which).values()]
    assert len(pictures) == 3
    assert not any((image[:40, :40] == (255, 0, 255)).all() for image in pictures)
