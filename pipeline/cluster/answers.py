"""What the identity service answers to a node, and how its bytes look."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from relaytrack.pipeline.records import Ints
from relaytrack.trackers import Revision

Rgb = tuple[int, int, int]
_HEAD = struct.Struct("<HII")  # letters of the name, sequence, tracks
_CHANGE = struct.Struct("<?IIHIdd")  # merge, old, new, letters of the name, track, time, score (NaN: none)
_COUNTS = struct.Struct("<IIIII")  # token, answers, revisions, colours, corrections so far
_COLOR = struct.Struct("<IBBB")


@dataclass(frozen=True, slots=True, eq=False)
class BatchAnswer:
    """The identities of one batch.

    Attributes:
        camera, sequence: which batch.
        global_ids: (N,) int64, 0 where none is known; track_ids: (N,) int64 ids from now on.
    """

    camera: str
    sequence: int
    global_ids: Ints
    track_ids: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one call brings back.

    Attributes:
        token: of the identity service that answers; see `lease`.
        batches: one answer to each batch of the call, in its order.
        revisions: corrections that concern the node's cameras.
        colors: colours that identities have got.
        corrections: how many corrections this service has had for the node so far; `revisions` are the last of them.
    """

    token: int
    batches: tuple[BatchAnswer, ...]
    revisions: tuple[Revision, ...] = ()
    colors: Mapping[int, Rgb] = field(default_factory=dict)
    corrections: int = 0

    def to_bytes(self) -> bytes:
        """As bytes, 8 for each track and about 20 for each batch."""
        counts = len(self.batches), len(self.revisions), len(self.colors), self.corrections
        out = [_COUNTS.pack(self.token, *counts)]
        for one in self.batches:
            name = one.camera.encode()
            out += [_HEAD.pack(len(name), one.sequence, len(one.global_ids)), name]
            out += [ids.astype("<u4").tobytes() for ids in (one.global_ids, one.track_ids)]
        for change in self.revisions:
            name = change.camera.encode()
            merge, score = change.kind == "merge", math.nan if change.score is None else change.score
            out.append(_CHANGE.pack(merge, change.old, change.new, len(name), change.track, change.time, score))
            out.append(name)
        out += [_COLOR.pack(identity, *color) for identity, color in self.colors.items()]
        return b"".join(out)

    @staticmethod
    def from_bytes(data: bytes) -> Answers:
        """What `to_bytes` made."""
        token, count, changes, painted, corrections = _COUNTS.unpack_from(data)
        at = _COUNTS.size
        batches, revisions = [], []

        def text(letters: int) -> str:
            nonlocal at
            at += letters
            return data[at - letters : at].decode()

        def numbers(many: int) -> Ints:
            nonlocal at
            at += 4 * many
            return np.frombuffer(data, "<u4", many, at - 4 * many).astype(np.int64)

        for _ in range(count):
            letters, sequence, tracks = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            batches.append(BatchAnswer(text(letters), sequence, numbers(tracks), numbers(tracks)))
        for _ in range(changes):
            merge, old, new, letters, track, time, points = _CHANGE.unpack_from(data, at)
            at += _CHANGE.size
            score = None if math.isnan(points) else points
            revisions.append(Revision("merge" if merge else "split", old, new, text(letters), track, time, score))
        colors = {}
        for _ in range(painted):
            identity, red, green, blue = _COLOR.unpack_from(data, at)
            at += _COLOR.size
            colors[identity] = (red, green, blue)
        return Answers(token, tuple(batches), tuple(revisions), colors, corrections)
