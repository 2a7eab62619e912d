"""Imports ultralytics so that it keeps to itself: no telemetry, no installation, no trace in this process.

Left alone, importing it reads and writes a settings file in the user's home, asks the network whether it is
there, and changes OpenCV's threads, print options, environment variables and `torch.save` for the whole process.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from types import ModuleType

import cv2
import numpy as np
import torch

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import DetectorError

_SETTINGS = {"sync": False, "clearml": False, "comet": False, "dvc": False, "mlflow": False, "vscode_msg": False}


def import_ultralytics(*, online: bool = False) -> ModuleType:
    """Import ultralytics with its telemetry, auto-update and network probing off, for this process only.

    Its settings live in a temporary folder; the user's own file is neither read nor written. `.pt` files load by
    its restricted loader (`torch.load(weights_only=True)` with known classes) from here on.

    Args:
        online: let it use the network (to download a model by its name).

    Raises:
        DetectorError: ultralytics is not installed or does not import.
    """
    with contained():
        if "ultralytics" not in sys.modules:
            _prepare(online)
        try:
            import ultralytics
            import ultralytics.nn.tasks as tasks
            import ultralytics.utils as utils
        except ModuleNotFoundError as error:
            missing = error.name or "ultralytics"
            raise DetectorError(
                f"detector.backend: ultralytics needs {missing}: pip install 'relaytrack[ultralytics]'"
            ) from None
        except Exception as error:  # whatever a broken installation raises
            reason = one_line(error)
            raise DetectorError(f"detector.backend: ultralytics does not import: {reason}") from None
        dict.update(utils.SETTINGS, _SETTINGS)  # not its own update(), which writes the file
        utils.AUTOINSTALL = False
        vars(importlib.import_module("ultralytics.utils.checks"))["AUTOINSTALL"] = False
        if hasattr(tasks, "SAFE_LOAD"):
            tasks.SAFE_LOAD = True
        _silence_events()
    return ultralytics


def loads_safely() -> bool:
    """Whether the imported ultralytics reads `.pt` files by restricted loading only."""
    tasks = sys.modules["ultralytics.nn.tasks"]
    restricted = getattr(tasks, "_SafeLoad", None)
    return bool(getattr(tasks, "SAFE_LOAD", False) and getattr(restricted, "SUPPORTED", False))


def _prepare(online: bool) -> None:
    """Set what ultralytics reads once, when it is imported; `contained` takes it back afterwards."""
    private = tempfile.mkdtemp(prefix="relaytrack-ultralytics-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    folder = os.path.join(private, "Ultralytics")
    os.makedirs(folder)
    for place in (private, folder):  # releases differ in whether they add the folder's name
        with open(os.path.join(place, "settings.json"), "w", encoding="utf-8") as file:
            json.dump(_SETTINGS, file)
    os.environ |= {
        "YOLO_CONFIG_DIR": private,
        "YOLO_AUTOINSTALL": "false",
        "YOLO_VERBOSE": "false",
        "YOLO_OFFLINE": "false" if online else "true",
        "ULTRALYTICS_SAFE_LOAD": "true",
    }


def _silence_events() -> None:
    """Switch off the usage analytics where they are already built."""
    with contextlib.suppress(ImportError):
        importlib.import_module("ultralytics.utils.events")
    for name in ("ultralytics.utils.events", "ultralytics.hub.utils"):
        events = getattr(sys.modules.get(name), "events", None)
        if events is not None:
            events.enabled = False


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """Undo what ultralytics changes of the process around it, and keep its warnings from the user."""
    environment, save = dict(os.environ), torch.save
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    with np.printoptions(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for name in os.environ.keys() - environment.keys():
                del os.environ[name]
            os.environ |= {name: value for name, value in environment.items() if os.environ.get(name) != value}
            torch.save = save
            torch.set_printoptions(profile="default")  # type: ignore[no-untyped-call]
            torch.set_num_threads(threads)
            cv2.setNumThreads(cv_threads)
