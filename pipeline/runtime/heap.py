"""Gives memory that the process no longer uses back to the operating system.

glibc keeps freed memory for the next request. One thread allocates pictures of all sizes, another one frees them, and
small objects that live for hours end up between them. So a run of hours comes to hold hundreds of MiB that nobody
uses. `malloc_trim` hands such pages back, those in the middle of the heap too.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


@cache
def _trim() -> Callable[[int], int] | None:
    """The call of glibc, or None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library, such as musl
        return None


def return_freed_memory() -> bool:
    """Hand freed pages back; returns whether there were any. Does nothing where the C library has no such call."""
    trim = _trim()
    return trim is not None and bool(trim(0))
