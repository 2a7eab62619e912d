"""What a process takes from the machine at present: memory, threads, open files, disk (Linux)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from relaytrack.pipeline.errors import InputError


@dataclass(frozen=True, slots=True)
class Resources:
    """One look at a process.

    Attributes:
        rss_mib: resident memory in MiB.
        threads: its threads, those of libraries too.
        files: open file descriptors.
    """

    rss_mib: float
    threads: int
    files: int

    @staticmethod
    def now(process: int | None = None) -> Resources:
        """Look.

        Args:
            process: its number; None looks at this one.

        Raises:
            InputError: this system has no /proc.
        """
        place = Path("/proc") / ("self" if process is None else str(process))
        try:
            text = (place / "status").read_text()
            files = len(os.listdir(place / "fd")) - (process is None)  # without the one that lists them
        except OSError:
            raise InputError("memory, threads and open files are read from /proc, which this system lacks") from None
        values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return Resources(int(values["VmRSS"].split()[0]) / 1024, int(values["Threads"]), files)


def folder_mib(folder: Path) -> float:
    """MiB of all files below a folder; files that vanish meanwhile don't count."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total / 2**20
