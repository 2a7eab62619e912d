"""The lock of a run's folder, as other programs see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from relaytrack.pipeline.results.run_lock import RunLock, is_held

ASK = """
import sys
from pathlib import Path
from relaytrack.pipeline.results.run_lock import is_held
print(is_held(Path(sys.argv[1])))
"""


def test_a_look_at_the_lock_does_not_give_it_up(tmp_path: Path) -> None:
    def others_see() -> str:
        done = subprocess.run([sys.executable, "-c", ASK, str(tmp_path)], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    lock = RunLock(tmp_path)
    assert lock.acquire()
    assert is_held(tmp_path), "the program that holds it looks, as it does before it forgets somebody"
    assert others_see() == "True"
    lock.release()
    assert others_see() == "False"
