"""One name per backbone."""

from __future__ import annotations

from collections.abc import Callable

from relaytrack.reid.backbones.base import Backbone
from relaytrack.reid.backbones.mobilenet import MobileNetV2
from relaytrack.reid.backbones.osnet import OSNet
from relaytrack.reid.backbones.osnet_in import OSNetIN
from relaytrack.reid.backbones.resnet import ResNet
from relaytrack.reid.errors import ReidError

_MAKERS: dict[str, Callable[[int], Backbone]] = {
    "resnet50": lambda stride: ResNet(last_stride=stride),
    "resnet50_ibn_a": lambda stride: ResNet(last_stride=stride, ibn=True),
    "osnet_x1_0": lambda stride: OSNet(1.0),
    "osnet_x0_75": lambda stride: OSNet(0.75),
    "osnet_x0_5": lambda stride: OSNet(0.5),
    "osnet_x0_25": lambda stride: OSNet(0.25),
    "osnet_in_x1_0": lambda stride: OSNetIN(1.0),
    "osnet_in_x0_75": lambda stride: OSNetIN(0.75),
    "osnet_in_x0_5": lambda stride: OSNetIN(0.5),
    "osnet_in_x0_25": lambda stride: OSNetIN(0.25),
    "mobilenet_v2": lambda stride: MobileNetV2(last_stride=stride),
    "mobilenet_v2_ibn": lambda stride: MobileNetV2(last_stride=stride, ibn=True),
}
NAMES = tuple(_MAKERS)


def create_backbone(name: str, *, last_stride: int = 1) -> Backbone:
    """Make a backbone with random weights.

    Args:
        name: one of `NAMES`.
        last_stride: stride of the last down-sampling stage; 1 doubles the final resolution.

    Raises:
        ReidError: no such backbone.
    """
    if name not in _MAKERS:
        raise ReidError(f"unknown backbone {name!r}: choose one of {', '.join(NAMES)}")
    return _MAKERS[name](last_stride)
