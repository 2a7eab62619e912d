"""Person detectors behind one protocol; `create_detector` builds the one the configuration names."""

from __future__ import annotations

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.perception.detectors.base import Detector

__all__ = ["Detector", "create_detector"]


def create_detector(config: Config, device: str) -> Detector:
    """Build the detector of a run.

    Each backend is imported only when it is asked for.

    Args:
        config: the whole configuration; `detector`, `cameras` and `run.threads` are read.
        device: "cpu", "cuda" or "cuda:i", already resolved by `relaytrack.reid.device.resolve_device`.

    Raises:
        DetectorError: weights or detection files are missing or wrong.
        DeviceError: the network would not really run on `device`.
    """
    if config.detector.backend == "nanodet":
        from relaytrack.pipeline.perception.detectors.nanodet import create_nanodet

        return create_nanodet(config.detector, device, config.run.threads)
    if config.detector.backend == "onnx":
        from relaytrack.pipeline.perception.detectors.onnx_detector import create_onnx

        return create_onnx(config.detector, device, config.run.threads)
    if config.detector.backend == "torchvision":
        from relaytrack.pipeline.perception.detectors.torchvision_detector import TorchvisionDetector

        return TorchvisionDetector(config.detector, device)
    if config.detector.backend == "ultralytics":
        from relaytrack.pipeline.perception.detectors.yolo import Yolo

        return Yolo(config.detector, device)
    from relaytrack.pipeline.perception.detectors.recorded import RecordedDetections

    return RecordedDetections(config)
