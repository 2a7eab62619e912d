"""What is said on stdout and stderr never ends the work: closed pipes and letters that the terminal cannot show."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import Any


def speaking(action: Callable[[], int]) -> int:
    r"""Run a command with steady streams.

    Once the reader of the output has gone (`relaytrack ... | head -1`, a log shipper that dies beside a recording),
    the rest of it is thrown away and the command goes on; its exit code is its own. Letters that the stream's
    encoding lacks are written as `\xe9` or `\u4e2d`.

    Args:
        action: the command; it returns its exit code.

    Returns:
        The exit code, or 2 where stdout cannot be written for another reason (a full disk).
    """
    steady_streams()
    try:
        try:
            code = action()
        except SystemExit:  # of --help and --version
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except StdoutError as error:
        print(f"relaytrack: error: the output cannot be written ({error.strerror})", file=sys.stderr)
        _discard(1)
        return 2
    return code


def steady_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams of the same descriptors that no closed pipe breaks.

    Streams that somebody else has put there already are left alone.
    """
    _open_standard_descriptors()
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            try:
                outlet = _Outlet(stream.fileno(), any_error=name == "stderr")
                stream.flush()
            except (OSError, ValueError):
                continue
            text = io.TextIOWrapper(
                io.BufferedWriter(outlet),
                encoding=stream.encoding,
                errors="backslashreplace",
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, text)


class StdoutError(OSError):
    """Output cannot be written for another reason than a closed pipe, such as a full disk."""


class _Outlet(io.FileIO):
    """A descriptor for writing that leads nowhere once nobody reads it any more."""

    def __init__(self, descriptor: int, *, any_error: bool) -> None:
        """`any_error`: whatever goes wrong is no reason to stop, as for what is only said by the way."""
        super().__init__(descriptor, "w", closefd=False)
        self._any_error = any_error

    def write(self, data: Any, /) -> int | None:  # type: ignore[override]
        """Write; after the reader has gone, pretend to."""
        try:
            return super().write(data)
        except OSError as error:
            if not self._any_error and not isinstance(error, BrokenPipeError):
                raise StdoutError(error.errno, error.strerror) from None
            _discard(self.fileno())
            return len(data)


def _discard(descriptor: int) -> None:
    """Let a descriptor lead nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _open_standard_descriptors() -> None:
    """Take descriptors 0 to 2 where they are closed, so that no result is opened under one of these numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
