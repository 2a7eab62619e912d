"""How much memory something holds, by Python's own account (numpy's arrays included)."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def held_bytes(make: Callable[[], object]) -> int:
    """Bytes that what `make` returns holds, the least of three times: other threads' memory is counted along.

    Imports and caches of an earlier call don't count.
    """
    make()
    found = []
    for _ in range(3):
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            kept = make()
            gc.collect()
            found.append(tracemalloc.get_traced_memory()[0] - before)
            del kept
        finally:
            tracemalloc.stop()
    return min(found)
