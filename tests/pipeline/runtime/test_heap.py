"""Freed memory goes back to the system."""

from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest

from relaytrack.pipeline.benchmarks.resources import Resources
from relaytrack.pipeline.runtime.heap import return_freed_memory, short_collections


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_holes_of_the_heap_go_back() -> None:
    """Fault: a live run held hundreds of MiB that it had freed, since small things lay between them."""
    return_freed_memory()
    warm = np.ones(2**21)  # 16 MiB, freed: from now on glibc takes requests below that from the heap
    del warm
    kept, big = [], []
    for _ in range(64):
        big.append(np.ones(2**18))  # 2 MiB
        kept.append(np.ones(50))
    full = Resources.now().rss_mib
    del big[:-1]
    return_freed_memory()
    assert Resources.now().rss_mib < full - 100
    assert len(kept) == 64


_CHILD = """
import numpy as np
from relaytrack.pipeline.benchmarks.resources import Resources
from relaytrack.pipeline.runtime.heap import steady_heap
assert not {apart} or steady_heap()
warm = np.ones(2**21)
del warm
kept, big = [], []
for _ in range(2**27 // {size}):
    big.append(np.ones({size} // 8))
    kept.append(np.ones(50))
full = Resources.now().rss_mib
del big[:-1]
print(full - Resources.now().rss_mib)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("size", [2**18, 2**21])  # a crop or a table of a small picture; a picture
def test_pictures_go_back_as_soon_as_they_are_freed(apart: bool, size: int) -> None:
    """Fault: pictures lay among small things, and a run of hours came to hold pages that nobody used.

    At first only what has 1 MiB and more was kept apart: a small picture has less, and its crops have.
    """
    words = [sys.executable, "-c", _CHILD.format(apart=apart, size=size)]
    freed = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert (freed > 100) == apart, "128 MiB, with small things between them"


_THREADS = """
import re, threading
import numpy as np
from relaytrack.pipeline.runtime.heap import steady_heap
assert not {steady} or steady_heap()
together = threading.Barrier(13)
kept = []
def work():
    kept.append([np.ones(500) for _ in range(200)])
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
together.wait()
heads = re.findall(r"^([0-9a-f]+)-[0-9a-f]+ rw-p 00000000 00:00 0 *$", open("/proc/self/maps").read(), re.M)
print(sum(int(head, 16) % 2**26 == 0 for head in heads))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
@pytest.mark.parametrize("steady", [False, True])
def test_threads_share_their_heaps(steady: bool) -> None:
    """Fault: each thread of a live run had a heap of its own, whose holes came to 100 MiB, more every hour."""
    words = [sys.executable, "-c", _THREADS.format(steady=steady)]
    heaps = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert (heaps <= 2) == steady


def test_garbage_is_looked_for_however_many_objects_were_there_before() -> None:
    """Fault: beside the objects of the networks' libraries, cycles of garbage were looked for every few hours only."""
    before = [[] for _ in range(1_600_000)]

    def searches() -> int:
        start = gc.get_stats()[2]["collections"]
        more = [[] for _ in range(300_000)]
        return int(gc.get_stats()[2]["collections"]) - start + 0 * len(more)

    gc.collect()
    assert searches() == 0
    with short_collections():
        assert gc.get_freeze_count() > len(before)
        assert searches() >= 1
    assert gc.get_freeze_count() == 0
