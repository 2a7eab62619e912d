"""The weights that come with the package, and how they are named in settings and on the command line.

This module loads no network library: a misspelt name is found at once.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Literal

from relaytrack.reid.errors import WeightsError
from relaytrack.reid.paths import file_path

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT = "default"
SUFFIXES = (".safetensors", ".onnx")
Precision = Literal["auto", "fp32", "int8"]
"""How a network computes: in single precision, with 8-bit integers, or ("auto") as is quicker on this CPU."""
INT8 = "_int8"
"""End of the name of a file that holds the 8-bit form of another one: `x_int8.onnx` beside `x.safetensors`."""


def default_weights() -> Path:
    """The weights that come with the package (the lightest, if there are several).

    Raises:
        WeightsError: this installation carries none.
    """
    found = sorted(WEIGHTS_FOLDER.glob("*.safetensors"), key=lambda file: (file.stat().st_size, file.name))
    if not found:
        raise WeightsError(
            f"no default weights in {WEIGHTS_FOLDER}: train some with `relaytrack reid train` or name a file"
        )
    return found[0]


def installed_weights() -> dict[str, Path]:
    """The files in the package's weights folder by name, the default weights first.

    A name is the file's, with hyphens and without what says how its numbers are stored: `retail_0286_fp16.onnx` is
    "retail-0286". The default weights are called "default", too.
    """
    files = sorted(path for path in WEIGHTS_FOLDER.glob("*") if path.suffix in SUFFIXES)
    named = {path.stem.removesuffix("_fp16").replace("_", "-"): path for path in files}
    try:
        return {DEFAULT: default_weights()} | named
    except WeightsError:
        return named


def find_weights(weights: Path | str | None) -> Path:
    """The file of weights that settings name.

    Args:
        weights: a file, the name of installed weights ("retail-0286"), or None for the default ones. A file of that
            name in the working folder comes before installed weights.

    Raises:
        WeightsError: there is no such file and no such name; the nearest name is said.
    """
    if weights is None:
        return default_weights()
    name = str(weights)
    path = file_path(name)
    if path.is_file():
        return path
    known = installed_weights()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1, 0.7)
    hint = f", did you mean {near[0]}?" if near else ""
    raise WeightsError(f"weights not found: {name}{hint} (installed: {', '.join(known)}; or name a file)")


def computes_in_int8(path: Path) -> bool:
    """Whether a weight file is an ONNX network with 8-bit integers."""
    return path.suffix == ".onnx" and path.is_file() and b"DequantizeLinear" in path.read_bytes()


def int8_form(path: Path) -> Path | None:
    """The 8-bit form of a weight file: the file itself, or `NAME_int8.onnx` beside it; None where there is none."""
    if computes_in_int8(path):
        return path
    found = path.with_name(f"{path.stem.removesuffix('_fp16')}{INT8}.onnx")
    return found if found.is_file() else None
