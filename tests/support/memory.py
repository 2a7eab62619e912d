"""How much memory something holds, by Python's own account (numpy's arrays included)."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def held_bytes(make: Callable[[], object]) -> int:
    """Bytes that what `make` returns holds; imports and caches of an earlier call don't count."""
    make()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = make()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        del kept
    finally:
        tracemalloc.stop()
    return after - before
