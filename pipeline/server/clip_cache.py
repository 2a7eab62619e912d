"""Clips of recordings around a moment, cut when they are asked for; the last ones are kept at hand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from relaytrack.pipeline.render.clips import Clip, cut_clip
from relaytrack.pipeline.results.recordings import Recording

BEFORE = 2.0
"""Seconds that a clip shows before the moment that was asked for."""
LENGTH = 30.0
"""Seconds of a clip from that moment on."""
_KEPT = 8  # clips


class ClipCache:
    """Cuts clips and keeps the last ones, since players ask for one clip again and again. Safe from any thread."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._clips: OrderedDict[tuple[Path, int, float], Clip] = OrderedDict()

    def around(self, recording: Recording, offset: float) -> Clip | None:
        """The clip around a moment; None where the file is gone or has no picture of it yet.

        Args:
            recording: the file.
            offset: the moment's place in it, seconds.

        Raises:
            OutputError: the file cannot be read.
        """
        path, complete = recording.path, recording.end is not None
        try:
            changed = path.stat().st_mtime_ns  # a file in which somebody is covered changes
        except FileNotFoundError:
            return None
        key = (path, changed, round(offset, 1))
        with self._changing:
            if key in self._clips:
                self._clips.move_to_end(key)
                return self._clips[key]
        clip = cut_clip(path, max(0.0, offset - BEFORE), BEFORE + LENGTH)
        short = 1.0 if complete else 0.0  # seconds that may lack at the end: a complete file has no more
        if clip is None or clip.end < offset - short:
            return None
        if complete or clip.end > offset + LENGTH - 1.0:  # the end of a file that grows is soon another one
            with self._changing:
                self._clips[key] = clip
                while len(self._clips) > _KEPT:
                    self._clips.popitem(last=False)
        return clip
