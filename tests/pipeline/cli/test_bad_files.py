"""Every command that reads a file gets files of the wrong kind: one line and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from relaytrack.pipeline.cli.main import main

KINDS = {
    "empty": b"",
    "binary": bytes(range(256)) * 20,
    "text": b"hello\nworld\n",
    "mark": b"\xef\xbb\xbf",
    "json": b'{"cameras": 5, "identities": null}',
    "list": b"[]",
    "zip": b"PK\x03\x04" + b"0" * 100,
    "mp4": b"\0\0\0\x20ftypisom" + b"\0" * 50,
}
COMMANDS = (
    "run --source FILE",
    "track --video FILE --out o.txt",
    "track --cache FILE --out o.txt",
    "cache --video FILE --out o.npz",
    "search --run RUN --image FILE",
    "search --run RUN --image PICTURE",
    "merge --run RUN 1 2",
    "split --run RUN 1 a:1",
    "split --run RUN 1 --at 3",
    "forget --run RUN 1",
    "calibrate --image FILE",
    "calibrate --image PICTURE --points FILE",
    "eval --gt a=FILE --result a=FILE",
    "reid eval --dataset csv --root FILE",
    "reid embed FILE",
    "reid average FILE FILE --out o.safetensors",
    "reid export FILE o.onnx",
    "reid bench --accuracies FILE",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_one_line_for_every_kind_of_file(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2
    import numpy as np

    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    cv2.imwrite("picture.png", np.zeros((40, 20, 3), np.uint8))
    for kind, content in KINDS.items():
        (tmp_path / "file").write_bytes(content)
        (tmp_path / "run" / "identities.json").write_bytes(content)
        (tmp_path / "run" / "run.json").write_bytes(content)
        words = command.replace("FILE", "file").replace("RUN", "run").replace("PICTURE", "picture.png").split()
        assert main(words) == 2, (kind, capsys.readouterr().err)
        shown = capsys.readouterr().err
        assert len([line for line in shown.splitlines() if "error: " in line]) == 1, (kind, shown)
        assert "Traceback" not in shown
