"""`relaytrack reid` is the re-identification package's own command line."""

from __future__ import annotations

import pytest

from relaytrack.pipeline.cli.main import main


def test_words_and_exit_codes_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["reid", "--help"])
    assert "usage: relaytrack reid" in capsys.readouterr().out
    assert main(["reid", "train", "no-such-preset"]) == 2
    captured = capsys.readouterr()
    assert captured.err.strip().startswith("relaytrack: error: no configuration no-such-preset")
    assert len(captured.err.strip().splitlines()) == 1


def test_an_address_in_place_of_a_file_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    address = "https://bob:s3#cr@et@host.example/w.pth"
    for words in (
        ["eval", "--weights", address, "--dataset", "folder", "--root", address],
        ["embed", address],
        ["train", address],
        ["train", "light", "--set", f"data.sources.0.name={address}"],
        ["export", address, "x.onnx"],
    ):
        assert main(["reid", *words]) == 2
        said = capsys.readouterr().err
        assert "error:" in said
        assert "s3#cr" not in said
        assert "et@host" not in said
