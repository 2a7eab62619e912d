"""Parts of somebody else's in a run: what fails in them is told by their name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from relaytrack.pipeline.config.urls import one_line
from relaytrack.pipeline.errors import InputError, RelayTrackError


@contextmanager
def told_by_name(kind: str, part: object) -> Iterator[None]:
    """Let an exception of another package's part end the run with one line that names the part.

    Exceptions of our own parts, and those of our own kind, stay as they are.

    Args:
        kind: what the part is, such as "detector".
        part: the part that is called meanwhile.

    Raises:
        InputError: the part failed; its exception is the cause.
    """
    try:
        yield
    except RelayTrackError:
        raise
    except (Exception, SystemExit) as error:
        if type(part).__module__.startswith("relaytrack."):
            raise
        raise InputError(f"{kind} {type(part).__name__}: {type(error).__name__}: {one_line(error)}") from error
