"""A disk that is full or read-only at random moments of a run."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Literal

from relaytrack.pipeline.benchmarks.chaos.child_run import CRASHED, ChildRun
from relaytrack.pipeline.benchmarks.chaos.folder_checks import check_folder
from relaytrack.pipeline.benchmarks.chaos.two_people import RATE
from relaytrack.pipeline.benchmarks.ending import Ending
from relaytrack.pipeline.errors import InputError

Kind = Literal["full", "full for a while", "read-only", "file limit"]
_SIZE = 16 * 2**20  # bytes of the small disk
_END = 30.0  # seconds in which a run without a disk must end
_TOGETHER = 20  # moments of one folder


def starve_runs(
    rounds: int, seed: int, work: Path, say: Callable[[str], object], ending: Ending | None = None
) -> dict[str, Any]:
    """Take the disk from `rounds` runs; each must end with one line or go on, and leave whole files.

    Root gets a small disk of its own (tmpfs), which is filled up for good or for a moment, or made read-only before
    the start. Without that right only files are limited (RLIMIT_FSIZE), which fails writes at random places too.

    Args:
        rounds: how many.
        seed: of kinds and moments.
        work: a folder.
        say: told how it goes.
        ending: tells it to end early.

    Returns:
        Figures; `failures` is empty where every run ended in order and left whole files.
    """
    ending = ending or Ending()
    random, failures, kinds = Random(seed), list[str](), Counter[str]()
    said = Counter[str]()
    work.mkdir(parents=True, exist_ok=True)
    with _small_disk(work) as disk:
        choices: tuple[Kind, ...] = (
            ("file limit",) if disk is None else ("full", "full for a while", "read-only", "file limit")
        )
        place = work if disk is None else disk
        for number in range(rounds):
            folder = place / f"run{number // _TOGETHER}"
            if number % _TOGETHER == 0:
                for old in place.glob("run*"):
                    shutil.rmtree(old)
            kind = random.choice(choices)
            on_error = random.choice(("fail", "disable"))
            code, text, wrong = _one(kind, on_error, folder, place, random)
            if ending.told:  # the run may have been told, too
                break
            kinds[f"{kind}, on_error {on_error}: exit {code}"] += 1
            said[" ".join(re.sub(r"[^ ]*/[^ ]*|[0-9]+", "...", text).split())[:120]] += 1
            failures += [f"round {number}, {kind}: {text}" for text in wrong + check_folder(folder, RATE)]
            if (number + 1) % 10 == 0:
                say(f"{number + 1} of {rounds} moments, {len(failures)} failures")
    return {
        "moments": sum(kinds.values()),
        "kinds": dict(sorted(kinds.items())),
        "said": dict(said.most_common()),
        "disk": "none: files were limited" if disk is None else f"tmpfs of {_SIZE // 2**20} MiB",
        "failures": failures,
    }


def _one(kind: Kind, on_error: str, folder: Path, disk: Path, random: Random) -> tuple[int | None, str, list[str]]:
    """One run; how it ended, what it said, and what was wrong with that."""
    if kind == "read-only":
        _mount("-o", "remount,ro", str(disk))
        try:
            child = ChildRun(folder, on_error=on_error)
            code = child.wait(_END)
        finally:
            if code is None:
                child.kill()
            _mount("-o", "remount,rw", str(disk))
        return code, child.said, _judge(code, child, (2,))
    if kind == "file limit":
        limit = random.choice((0, 100, 1000, 10_000, 40_000, 100_000))
        child = ChildRun(folder, partial(_limit_files, limit), on_error=on_error)
        time.sleep(random.uniform(0.3, 2.0))
        child.stop()
        return _ended(child)
    child = ChildRun(folder, on_error=on_error)
    time.sleep(random.uniform(0.0, 4.0))
    ballast = disk / "ballast"
    _fill(ballast)
    time.sleep(random.uniform(0.1, 1.5))
    if kind == "full for a while":
        ballast.unlink()
        time.sleep(random.uniform(0.1, 0.5))
    child.stop()
    code, text, wrong = _ended(child)
    ballast.unlink(missing_ok=True)
    return code, text, wrong


def _ended(child: ChildRun) -> tuple[int | None, str, list[str]]:
    code = child.wait(_END)
    if code is None:
        child.kill()
    return code, child.said, _judge(code, child, (0, 2))


def _judge(code: int | None, child: ChildRun, right: tuple[int, ...]) -> list[str]:
    said = child.said
    if code is None:
        return [f"the run does not end within {_END:g} s"]
    if code == CRASHED or code not in right:
        return [f"the run ended with {code}: {said[-1500:]}"]
    return ["an error of several lines"] if "\n" in said.strip() else []


def _limit_files(limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _fill(path: Path) -> None:
    """Take all that is left of a disk, to the last byte."""
    block = bytes(65536)
    with open(path, "wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError:
                block = block[: len(block) // 2]


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"mount {' '.join(words)}: {done.stderr.strip()}")


@contextmanager
def _small_disk(work: Path) -> Iterator[Path | None]:
    """A small disk, or None where this user may not make one."""
    disk = work / "disk"
    disk.mkdir(exist_ok=True)
    try:
        if os.geteuid() != 0:
            raise InputError("not root")
        _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(disk))
    except (InputError, OSError):
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], capture_output=True, check=False)
