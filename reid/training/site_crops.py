"""Pictures of a site's people, from finished runs or from plain folders, for weights to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from relaytrack.reid.datasets.base import images_below, need_folder
from relaytrack.reid.errors import DatasetError

LEAST_CROPS = 32
"""Fewer are too few to learn from."""
cut_from_run: Callable[[Path, Path], int] | None = None
"""Cuts further crops from a run's recordings into a folder; set by the pipeline, which knows what a run is."""


def crops_of(folders: Sequence[Path], scratch: Path) -> list[Path]:
    """The pictures of finished runs, or of plain folders of crops.

    Of a run the crops that it kept are taken, and more are cut from its recordings where they are still there.

    Args:
        folders: of runs (they have a run.json) or of crops.
        scratch: where crops that are cut now are written to; the caller removes it.

    Raises:
        DatasetError: a folder is not there or has no pictures, or there are fewer than 32 in all.
    """
    found: list[Path] = []
    for number, folder in enumerate(folders):
        need_folder(folder, "adapt")
        if not (folder / "run.json").is_file():
            found += images_below(folder)
            continue
        here = images_below(folder / "crops") if (folder / "crops").is_dir() else []
        more = scratch / str(number)
        if cut_from_run is not None and cut_from_run(folder, more):
            here += images_below(more)
        if not here:
            raise DatasetError(
                f"adapt: the run {folder} has no crops (output.crops) and no recordings to cut them from"
            )
        found += here
    if len(found) < LEAST_CROPS:
        where = ", ".join(map(str, folders))
        raise DatasetError(f"adapt: {len(found)} crops in {where} are too few: at least {LEAST_CROPS} are needed")
    return found
