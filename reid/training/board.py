"""Curves for TensorBoard, written at once: errors of a writer with its own thread would go unseen."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Board:
    """One file of TensorBoard events.

    Args:
        folder: where it goes; made if need be.

    Raises:
        ImportError: tensorboard is not installed.
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 1000}.{socket.gethostname()}"
        self._records: Any = RecordWriter((folder / name).open("wb"))
        self._write(file_version="brain.Event:2")

    def draw(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve `group/name` of each value.

        Raises:
            OSError: the disk is full.
        """
        from torch.utils.tensorboard import summary

        scalar: Any = summary.scalar
        for name, value in values.items():
            self._write(step=step, summary=scalar(f"{group}/{name}", value))
        self._records.flush()

    def close(self) -> None:
        """Close the file.

        Raises:
            OSError: the disk is full.
        """
        self._records.close()

    def _write(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())
