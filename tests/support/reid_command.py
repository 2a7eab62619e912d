"""The command `relaytrack reid` where it refuses what it is given."""

from __future__ import annotations

import pytest

from relaytrack.reid.cli import main


def fails(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one line that a command answers with, which ends with 2."""
    assert main([str(word) for word in argv]) == 2
    captured = capsys.readouterr()
    line = captured.err.strip().splitlines()[-1]
    assert line.startswith("relaytrack: error: ")
    assert "Traceback" not in captured.err
    return line
