"""OpenVINO networks that cannot be read are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.ir_writer import IrWriter, flat, small_network

from relaytrack.reid.cli import main
from relaytrack.reid.errors import WeightsError
from relaytrack.reid.openvino.ir import read_ir


def spoil(text: str, new: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        before = path.read_text()
        assert text in before
        path.write_text(before.replace(text, new))

    return change


ENTITY = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><net name="&b;" version="11"/>'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.with_suffix(".bin").unlink(), "small.bin is not in the same folder"),
        (lambda path: path.with_suffix(".bin").write_bytes(b"123"), "lies beyond the end of the file"),
        (lambda path: path.write_text("<net"), "is no OpenVINO network"),
        (lambda path: path.write_text("<html/>"), "its XML is <html>"),
        (lambda path: path.write_text(ENTITY), "document types and entities are not read"),
        (spoil('version="11"', 'version="7"'), "IR version 7; only 10 and 11 are read"),
        (spoil('type="Reshape"', 'type="DetectionOutput"'), "of type DetectionOutput (opset1) is not supported"),
        (spoil('size="16"', 'size="12"'), "12 bytes do not fit its shape (2,)"),
        (spoil('offset="0"', 'offset="-8"'), "lies beyond the end of the file"),
        (spoil('element_type="i64"', 'element_type="u1"'), "is of type u1, which is not read"),
        (spoil('from-layer="0"', 'from-layer="99"'), "do not exist, or depend on its own output"),
        (spoil("<edges>", "<other>"), "is no OpenVINO network"),
        (spoil("1,3,4,2", "1,1,4,2"), ""),
        (spoil("<dim>3</dim>", "<dim>1</dim>"), "the input is 1x1x4x2, not one image of 3 x height x width"),
        (spoil('type="Result"', 'type="ReLU"'), "0 outputs, where a re-identification network has one"),
        (spoil('id="0" name="data"', 'id="1" name="data"'), "two layers have the same id"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], None], said: str
) -> None:
    path = small_network(tmp_path, flat)
    change(path)
    code = main(["import", str(path), str(tmp_path / "out.onnx")])
    if not said:  # the attribute that says the same as the port is not needed
        assert code == 0
        return
    line = capsys.readouterr().err.strip()
    assert code == 2
    assert line.startswith("relaytrack: error: ")
    assert "\n" not in line
    assert said in line
    assert not (tmp_path / "out.onnx").exists()


def test_a_network_that_mixes_the_images_of_a_batch_is_refused(tmp_path: Path) -> None:
    def build(to: IrWriter, name: str) -> str:
        axes = to.constant("axes", np.array([0, 2, 3], np.int64))
        to.layer("MVN", [name, axes], "out", (1, 3, 4, 2), {"normalize_variance": "true", "eps": 1e-5}, "opset6")
        return flat(to, "out")

    path = small_network(tmp_path, build)
    assert main(["import", str(path), str(tmp_path / "out.onnx")]) == 2
    with pytest.raises(WeightsError, match="weights not found"):
        read_ir(tmp_path / "none.xml")
