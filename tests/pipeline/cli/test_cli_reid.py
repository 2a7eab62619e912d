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
