"""The names of what a run writes into its folder, by which its files are told from anybody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from relaytrack.pipeline.dates import stamped

PARTIAL = ".partial"  # ends the name of a file that is being written and not valid yet

_TOP = re.compile(
    r"(run|identities|status)\.json|report\.html|embeddings\.npz|identities\.db(-wal|-shm|-lock)?|events(-old)?\.jsonl"
    r"|requests\.db(-journal)?|tracks\.db(-journal)?|\.relaytrack\.lock"
)
_CROP = re.compile(r"[0-9]+-[0-9]+")
INDEX = "index.jsonl"  # of the videos of a live run
SUFFIX = {"video": ".mp4", "tracks": ".txt", "global": ".txt", "crops": ".jpg", "hidden": ".txt"}


def holds_results_alone(folder: Path) -> bool:
    """Whether a folder holds results of a run and nothing else, as far as names tell."""
    names = [path.name.removesuffix(PARTIAL) for path in folder.iterdir()]
    return any(map(_TOP.fullmatch, names)) and all(_TOP.fullmatch(name) or name in SUFFIX for name in names)


def results_of(folder: Path, cameras: Sequence[str]) -> Iterator[Path]:
    """Every path below `folder` that has the name of a result of a run with `cameras`."""
    for found in folder.iterdir():
        if _TOP.fullmatch(found.name.removesuffix(PARTIAL)):
            yield found
    for kind, suffix in SUFFIX.items():
        if (folder / kind).is_symlink():
            continue
        single = {*cameras, "mosaic"}
        for found in _children(folder / kind):
            stem = _stem(found, suffix)
            if kind == "video" and found.name == INDEX:
                yield found
            if kind == "hidden" and stem is not None:
                stem = stem.removesuffix(".forgotten")
            if stem in single or (kind == "crops" and stem is not None and stem.isascii() and stem.isdecimal()):
                yield found
            elif found.name in single and found.is_dir() and not found.is_symlink():
                for inner in _children(found):
                    stem = _stem(inner, suffix)
                    if stem is not None and (stamped(stem) is not None or (kind == "crops" and _CROP.fullmatch(stem))):
                        yield inner


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _stem(path: Path, suffix: str) -> str | None:
    name = path.name.removesuffix(PARTIAL)
    return name.removesuffix(suffix) if name.endswith(suffix) else None
