"""A result that is one file (`--out FILE`): looked at before the work begins."""

from __future__ import annotations

from pathlib import Path

from relaytrack.pipeline.errors import OutputError


def check_single_file(path: Path) -> None:
    """Refuse a file that cannot be written; what it holds is left as it is, and a new one is not left behind.

    Raises:
        OutputError: its folder is not there, it is a folder itself, or the system refuses.
    """
    new = not path.exists()
    try:
        with open(path, "ab"):
            pass
        if new:
            path.unlink()
    except OSError as error:
        reason = "no such folder" if isinstance(error, FileNotFoundError) else error.strerror or type(error).__name__
        raise OutputError(f"{path}: cannot be written: {reason}") from None
