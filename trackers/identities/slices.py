"""Long work done in slices: generators that pause between two slices, and give their result at the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

Result = TypeVar("Result")
Slices = Generator[None, None, Result]
"""Work that pauses; `yield from` it inside other such work, or `finish` it."""
CELLS = 1 << 18
"""Pairs of tracks in a slice: all of up to 512 tracks, so that the work on them is never interrupted."""


def finish(work: Slices[Result]) -> Result:
    """Do all slices at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: Result = done.value
            return result


def large(cells: int) -> bool:
    """Whether work on so many cells is done in slices."""
    return cells > CELLS


def over(steps: int, cells: int) -> bool:
    """Whether a slice ends with this step of many, each of which takes so many cells."""
    return steps * cells % CELLS < cells


def blocks(rows: int, columns: int, times: int = 1) -> list[slice]:
    """Slices of `rows` rows, each of `times` the usual number of cells; one where all fit."""
    step = rows if not large(rows * columns // times) else max(1, times * CELLS // columns)
    return [slice(begin, min(begin + step, rows)) for begin in range(0, rows, max(step, 1))]


def pause(parts: list[slice]) -> Iterator[None]:
    """A pause after a slice, if there are several."""
    if len(parts) > 1:
        yield
