"""Gives memory that the process no longer uses back to the operating system.

glibc keeps freed memory for the next request. One thread allocates pictures of all sizes, another one frees them, and
small objects that live for hours end up between them. So a run of hours comes to hold hundreds of MiB that nobody
uses. `malloc_trim` hands such pages back, those in the middle of the heap too. `steady_heap` does more: what is as
large as a crop or a table never lies among small objects, and goes back as soon as it is freed; and all threads
share two heaps, where glibc would give each of some twenty threads a heap of its own with holes of its own.
`short_collections` does the same for Python's own garbage.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h; once set, glibc no longer raises it on its own
_LARGE = 2**17  # bytes: crops and tables, too
_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 2  # the main heap and one more


@cache
def _call(name: str) -> Callable[..., int] | None:
    """A call of glibc, or None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another C library, such as musl
        return None
    return found


def return_freed_memory() -> bool:
    """Hand freed pages back; returns whether there were any. Does nothing where the C library has no such call."""
    trim = _call("malloc_trim")
    return trim is not None and bool(trim(0))


def steady_heap() -> bool:
    """Make the process hold as much after weeks as after minutes; returns whether the C library can.

    From now on memory of `_LARGE` and more comes straight from the system (by default glibc does so only until such
    memory is freed for the first time), and no further heaps are made for threads. To be called before threads start:
    a thread keeps the heap that it has.
    """
    option = _call("mallopt")
    return option is not None and bool(option(_MMAP_THRESHOLD, _LARGE)) and bool(option(_ARENA_MAX, _ARENAS))


@contextmanager
def short_collections() -> Iterator[None]:
    """Meanwhile, garbage in cycles is found after minutes; objects that are there already are left out of the search.

    Python searches everything only when a quarter of it is new. The networks' libraries have made half a million
    objects, so that took hours, and each list that was written meanwhile left some garbage behind (the encoder of
    `json` with an indent is a cycle): 3 MiB an hour. To be entered when the networks are loaded; `gc.collect()` before
    that takes 0.3 s, this next to nothing.
    """
    gc.freeze()
    gc.collect()  # from here on it counts next to nothing as old
    try:
        yield
    finally:
        gc.unfreeze()
