"""The looks of a person in a picture that is searched for."""

from __future__ import annotations

import numpy as np
import torch

from relaytrack.pipeline.perception.effort import Effort
from relaytrack.pipeline.perception.person_crops import Cropper
from relaytrack.pipeline.perception.stage import Perception
from relaytrack.pipeline.records import Floats
from relaytrack.pipeline.server.looks import Looks
from tests.support.world import Eyes, picture


class MeanColour:
    """Describes a crop by its mean colour."""

    input_size = (16, 8)
    dim = 3

    def embed(self, crops: torch.Tensor) -> Floats:
        colour = crops.mean(dim=(2, 3)).numpy()
        return np.asarray(colour / np.linalg.norm(colour, axis=1, keepdims=True), np.float32)


def test_a_person_is_looked_for_in_every_picture_although_the_cameras_need_the_time() -> None:
    """Fault: under load every second picture was described as a whole, walls and all."""
    perception = Perception(Eyes(), MeanColour(), Cropper((16, 8), "cpu"))
    looks = Looks()
    looks.perception = perception
    red = looks.of(picture(3))
    assert red[0] > 0.9, "of the person, who wears red"
    perception.effort = Effort(Eyes(), perception.schedule)
    perception.effort.set(1)
    assert perception.effort.names, "people are looked for in every second frame"
    for _ in range(4):
        np.testing.assert_allclose(looks.of(picture(3)), red)


def test_nothing_is_kept_of_a_camera_that_has_left() -> None:
    effort = Effort(Eyes(), Perception(Eyes(), None, None).schedule)
    perception = Perception(Eyes(), None, None)
    perception.effort = effort
    effort.set(1)
    assert effort.looks("a")
    perception.forget("a")
    assert effort.looks("a"), "it begins anew when it comes again"
