"""`kill -9` at random moments, and a new start in the same folder after each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from relaytrack.pipeline.benchmarks.chaos.child_run import KILLED, ChildRun
from relaytrack.pipeline.benchmarks.chaos.folder_checks import check_folder, identities_of
from relaytrack.pipeline.benchmarks.chaos.two_people import PEOPLE, RATE
from relaytrack.pipeline.benchmarks.ending import Ending

_LONGEST = 3.0  # seconds that a run gets at the most
_TOGETHER = 40  # kills of one folder
_END = 20.0  # seconds in which a run that is told to end must end


def kill_runs(
    rounds: int, seed: int, work: Path, say: Callable[[str], object], ending: Ending | None = None
) -> dict[str, Any]:
    """Kill `rounds` runs, look at what each left, and go on in it.

    Args:
        rounds: how many.
        seed: of the moments.
        work: a folder for the runs' folders; those with a failure are left there.
        say: told how it goes.
        ending: tells it to end early.

    Returns:
        Figures; `failures` is empty where everything was whole and everybody kept the identity.
    """
    ending = ending or Ending()
    random, failures, frames, kills = Random(seed), list[str](), 0, 0
    work.mkdir(parents=True, exist_ok=True)
    for begin in range(0, rounds, _TOGETHER):
        folder, known = work / f"run{begin}", len(failures)
        for number in range(begin, min(begin + _TOGETHER, rounds)):
            since = time.time() - 1.0
            child = ChildRun(folder)
            time.sleep(random.uniform(0.0, _LONGEST))
            code = child.kill()
            if ending.told:  # the run may have been told, too
                break
            kills += 1
            if code != KILLED:
                failures.append(f"round {number}: the run ended by itself with {code}: {child.said[-500:]}")
            failures += [f"round {number}: {text}" for text in check_folder(folder, RATE, since=since)]
        failures += [f"{folder.name}: {text}" for text in _last_start(folder)]
        frames += sum(len(path.read_bytes().splitlines()) for path in folder.glob("tracks/*/*.txt")) // PEOPLE
        say(f"{kills} of {rounds} kills, {len(failures)} failures")
        if len(failures) == known:
            shutil.rmtree(folder)
        if ending.told:
            break
    return {"kills": kills, "frames": frames, "failures": failures}


def _last_start(folder: Path) -> list[str]:
    """Start once more, end in order, and look at everything."""
    child = ChildRun(folder)
    until = time.monotonic() + _END
    while time.monotonic() < until and not _followed(folder):  # a busy machine takes seconds to begin
        time.sleep(0.1)
    time.sleep(1.0)
    child.stop()
    code = child.wait(_END)
    wrong = check_folder(folder, RATE)
    if code is None:
        child.kill()
        wrong.append("the last start does not end")
    elif code:
        wrong.append(f"the last start ends with {code}: {child.said[-500:]}")
    people = identities_of(folder)
    if len(people) != PEOPLE:
        wrong.append(f"{PEOPLE} people have the identities {sorted(people)[:20]}")
    return wrong


def _followed(folder: Path) -> bool:
    """Whether a run in the folder has followed somebody so far."""
    return any(path.stat().st_size for path in folder.glob("tracks/*/*.txt"))
