"""How much memory something holds, by Python's own account (numpy's arrays included)."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")


def held_bytes(make: Callable[[], Made], close: Callable[[Made], object] = lambda made: None) -> int:
    """Bytes that what `make` returns holds, the least of three times: other threads' memory is counted along.

    Imports and caches of an earlier call don't count. `close` is called with what was made, afterwards.
    """
    close(make())
    found = []
    for _ in range(3):
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            kept = make()
            gc.collect()
            found.append(tracemalloc.get_traced_memory()[0] - before)
            close(kept)
            del kept
        finally:
            tracemalloc.stop()
    return min(found)
