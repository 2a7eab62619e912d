"""The table of tracks that are still open to correction: one row ("slot") per track, whole arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.growing import enlarge, enlarge_squares
from relaytrack.trackers.identities.quality import crop_quality
from relaytrack.trackers.identities.topology import BORDER, INSIDE, UNKNOWN
from relaytrack.trackers.identities.types import CameraTracks, Floats, Ints, TrackKey

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOVEL = 0.85
"""Cosine similarity below which an embedding opens a new entry of a track's bank."""
DUPLICATE_OVERLAP = 0.7
"""Mean intersection over union from which two tracks of one camera are one person's duplicate boxes."""
DUPLICATE_FRAMES = 3
REACH, LEAD = 0.3, 1.0
"""A box is at the border within this share of its height, or when its motion takes it there in this time (s)."""
_VELOCITY_TIME = 1.0
_COLUMNS = (
    "used", "camera", "track", "start", "last", "first_box", "last_box", "velocity", "frames",
    "weight", "feature", "bank", "bank_weight", "identity",
)  # fmt: skip
_PAIRS = ("cannot_link", "together", "overlap")


class TrackletTable:
    """Everything known of the tracks in the window, by slot; rows of free slots hold stale values.

    Attributes (C slots, D embedding size, K bank entries per track):
        used: (C,) whether the slot holds a track.
        camera: (C,) index into `cameras`.
        track: (C,) the camera's track id.
        start, last: (C,) seconds of the first and the latest update.
        first_box, last_box: (C, 4) pixels.
        velocity: (C, 2) pixels per second of the box's centre, smoothed over about a second.
        frames: (C,) updates.
        weight: (C,) how much quality the embeddings carry; 0: no embedding yet.
        feature: (C, D) the track's mean embedding, L2-normalised.
        identity: (C,) the identity shown; 0: none yet.
        corner, extent: (cameras, 2) edges of what each camera looks at, pixels: left and upper, right and lower.
        cannot_link: (C, C) whether two tracks were updated in the same frame of one camera (symmetric).
        together: (C, C) frames in which two tracks of one camera were both updated (duplicates only).
        overlap: (C, C) sum of their boxes' intersection over union over those frames.
    """

    def __init__(self, bank: int, min_quality: float) -> None:
        self._entries = bank
        self._min_quality = min_quality
        self._slot: dict[TrackKey, int] = {}
        self._free: list[int] = []
        self._before: dict[str, Ints] = {}
        self.cameras: dict[str, int] = {}
        self.corner, self.extent = np.zeros((0, 2)), np.zeros((0, 2))
        self.size = 0
        self.used = np.zeros(0, bool)
        self.camera = np.zeros(0, np.int64)
        self.track = np.zeros(0, np.int64)
        self.start, self.last = np.zeros(0), np.zeros(0)
        self.first_box, self.last_box = np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)
        self.velocity = np.zeros((0, 2))
        self.frames = np.zeros(0, np.int64)
        self.weight = np.zeros(0, np.float32)
        self.feature = np.zeros((0, 0), np.float32)
        self.bank = np.zeros((0, bank, 0), np.float32)
        self.bank_weight = np.zeros((0, bank), np.float32)
        self.identity = np.zeros(0, np.int64)
        self.cannot_link = np.zeros((0, 0), bool)
        self.together = np.zeros((0, 0), np.int32)
        self.overlap = np.zeros((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._slot)

    def slots(self) -> Ints:
        """The slots in use, in order of the tracks' beginning (then of camera and track id)."""
        index = np.flatnonzero(self.used)
        order = np.lexsort((self.track[index], self.camera[index], self.start[index]))
        return np.asarray(index[order], np.int64)

    def key(self, slot: int) -> TrackKey:
        """The (camera, track id) of a slot."""
        return list(self.cameras)[int(self.camera[slot])], int(self.track[slot])

    def find(self, camera: str, track: int) -> int | None:
        """The slot of a track, None when it is not in the table."""
        return self._slot.get((camera, track))

    def observe(self, view: CameraTracks) -> tuple[Ints, Ints]:
        """Take one camera's updated tracks.

        Returns:
            the slots of all tracks of the view, in its order, and of those that are new.

        Raises:
            TrackerInputError: embeddings of another size than before.
        """
        camera = self.cameras.setdefault(view.camera, len(self.cameras))
        if camera == len(self.extent):
            self.see(camera + 1)
        self._widen(view)
        slots = np.empty(len(view), np.int64)
        fresh = []
        for row, track in enumerate(view.ids.tolist()):
            slot = self._slot.get((view.camera, track))
            if slot is None:
                slot = self._open(view.camera, camera, track)
                fresh.append(row)
            slots[row] = slot
        new = slots[fresh]
        if len(new):
            self._clear(new)
        if len(view):
            self._move(view, slots, new)
            self._meet(view, slots)
            self._look(view, slots)
        if view.image_size is not None:
            self.corner[camera], self.extent[camera] = view.origin, view.image_size
        elif len(view):
            self.extent[camera] = np.fmax(self.extent[camera], np.fmax.reduce(view.xyxy[:, 2:]))
        return slots, new

    def see(self, cameras: int) -> None:
        """Make room for that many cameras."""
        more = np.zeros((cameras - len(self.extent), 2))
        self.corner, self.extent = np.vstack([self.corner, more]), np.vstack([self.extent, more])

    def close(self, slots: Ints) -> None:
        """Take tracks out of the table."""
        for slot in slots.tolist():
            del self._slot[self.key(slot)]
            self.used[slot] = False
            self._free.append(slot)
        for pairs in (self.cannot_link, self.together, self.overlap):
            pairs[slots] = 0
            pairs[:, slots] = 0
        self._free.sort(reverse=True)
        gone = set(slots.tolist())
        for camera, before in self._before.items():
            if gone & set(before.tolist()):
                self._before[camera] = np.zeros(0, np.int64)

    def conflicts(self, slots: Ints, others: Ints, *, duplicates: bool) -> tuple[Bools, tuple[Ints, Ints]]:
        """Which pairs are two people because one frame shows both.

        Args:
            slots: rows.
            others: columns.
            duplicates: leave out pairs whose boxes coincide throughout.

        Returns:
            the pairs, (len(slots), len(others)), and the rows and columns of those left out.
        """
        cannot_link = np.asarray(self.cannot_link[slots[:, None], others[None, :]], bool)
        row, column = np.nonzero(cannot_link) if duplicates else (np.zeros(0, np.int64), np.zeros(0, np.int64))
        twins = self._coincide(slots[row], others[column])
        row, column = row[twins], column[twins]
        cannot_link[row, column] = False
        return cannot_link, (row, column)

    def zones(self, slots: Ints) -> tuple[Ints, Ints]:
        """Where tracks (N,) began and ended: UNKNOWN, INSIDE or at the BORDER of the picture, two (N,)."""
        camera, speed = self.camera[slots], self.velocity[slots]
        edges = self.corner[camera], self.extent[camera]
        return (
            self._zone(self.first_box[slots], -speed, *edges),
            self._zone(self.last_box[slots], speed, *edges),
        )

    @staticmethod
    def _zone(boxes: Floats, speed: Doubles, corner: Doubles, extent: Doubles) -> Ints:
        near = REACH * (boxes[:, 3] - boxes[:, 1])[:, None]
        ahead = LEAD * np.where(np.isfinite(speed), speed, 0)
        low = boxes[:, :2] + np.minimum(ahead, 0) < corner + near
        high = boxes[:, 2:] + np.maximum(ahead, 0) > extent - near
        zone = np.where((low | high).any(axis=1), BORDER, INSIDE)
        known = np.isfinite(boxes).all(axis=1) & (extent > 0).all(axis=1)
        return np.asarray(np.where(known, zone, UNKNOWN), np.int64)

    def duplicates(self, slots: Ints, others: Ints) -> Bools:
        """(len(slots), len(others)): pairs of tracks whose boxes coincide in all frames that show both."""
        return self._coincide(slots[:, None], others[None, :])

    def _coincide(self, slots: Ints, others: Ints) -> Bools:
        count = self.together[slots, others]
        mean = self.overlap[slots, others] / np.maximum(count, 1)
        return np.asarray((count >= DUPLICATE_FRAMES) & (mean >= DUPLICATE_OVERLAP), bool)

    def _open(self, name: str, camera: int, track: int) -> int:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._slot[name, track] = slot
        self.used[slot] = True
        self.camera[slot], self.track[slot] = camera, track
        return slot

    def _clear(self, slots: Ints) -> None:
        for values in (self.frames, self.identity, self.weight, self.bank_weight, self.feature, self.bank):
            values[slots] = 0
        self.velocity[slots] = 0

    def _move(self, view: CameraTracks, slots: Ints, new: Ints) -> None:
        boxes = np.asarray(view.xyxy, np.float32)
        self.start[new] = view.time
        self.first_box[new] = boxes[np.isin(slots, new)]
        old = self.frames[slots] > 0
        passed = np.where(old, view.time - self.last[slots], 0.0)
        moved = passed > 1e-6
        rows = slots[moved]
        step = ((boxes - self.last_box[slots])[moved].reshape(-1, 2, 2)).mean(axis=1) / passed[moved, None]
        # The first steps count fully, later ones by their share of the smoothing time.
        age = view.time - self.start[rows]
        gain = np.clip(passed[moved] / np.minimum(np.maximum(age, passed[moved]), _VELOCITY_TIME), 0, 1)[:, None]
        self.velocity[rows] += gain * (step - self.velocity[rows])
        self.last_box[slots], self.last[slots] = boxes, view.time
        self.frames[slots] += 1

    def _meet(self, view: CameraTracks, slots: Ints) -> None:
        before = self._before.get(view.camera)
        if before is None or len(before) != len(slots) or not np.array_equal(before, slots):
            self.cannot_link[slots[:, None], slots] = True
            self.cannot_link[slots, slots] = False
            self._before[view.camera] = slots.copy()
        boxes = np.asarray(view.xyxy, np.float32)
        size = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
        low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
        high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
        common = np.clip(high - low, 0, None).prod(axis=2)
        iou = common / np.maximum(size[:, None] + size - common, 1e-6)
        grid = (slots[:, None], slots)
        self.together[grid] += 1
        self.overlap[grid] += iou

    def _look(self, view: CameraTracks, slots: Ints) -> None:
        size = view.embeddings.shape[1]
        if size == 0:
            return
        quality = crop_quality(view) if view.quality is None else np.asarray(view.quality, np.float32)
        known = np.isfinite(view.embeddings).all(axis=1) & np.isfinite(quality)
        good = known & ((quality >= self._min_quality) | (self.weight[slots] == 0))
        if not good.any():
            return
        rows, weight = slots[good], np.maximum(quality[good], 1e-3) ** 2
        crops = np.asarray(view.embeddings[good], np.float32)
        first = self.weight[rows] == 0
        if first.any():
            begun = rows[first]
            self.bank[begun, 0] = weight[first, None] * crops[first]
            self.bank_weight[begun, 0] = self.weight[begun] = weight[first]
            length = np.linalg.norm(crops[first], axis=1, keepdims=True)
            self.feature[begun] = crops[first] / np.maximum(length, 1e-12)
            rows, weight, crops = rows[~first], weight[~first], crops[~first]
        if len(rows) == 0:
            return
        bank, held = self.bank[rows], self.bank_weight[rows]
        length = np.maximum(np.linalg.norm(bank, axis=2), 1e-12)
        alike = np.where(held > 0, np.einsum("nkd,nd->nk", bank, crops) / length, -2.0)
        entry = alike.argmax(axis=1)
        empty = held == 0
        novel = (alike.max(axis=1) < NOVEL) & empty.any(axis=1)
        entry[novel] = empty[novel].argmax(axis=1)
        self.bank[rows, entry] += weight[:, None] * crops
        self.bank_weight[rows, entry] += weight
        self.weight[rows] += weight
        bank, held = self.bank[rows], self.bank_weight[rows]
        length = np.maximum(np.linalg.norm(bank, axis=2), 1e-12)
        mean = np.einsum("nkd,nk->nd", bank, np.sqrt(held) / length)
        self.feature[rows] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)

    def _widen(self, view: CameraTracks) -> None:
        size = view.embeddings.shape[1]
        if size == 0 or size == self.feature.shape[1]:
            return
        if self.feature.shape[1] != 0:
            raise TrackerInputError(
                f"camera {view.camera}: embeddings of size {size}, before of {self.feature.shape[1]}"
            )
        self.feature = np.zeros((self.size, size), np.float32)
        self.bank = np.zeros((self.size, self._entries, size), np.float32)

    def _grow(self) -> None:
        old, new = self.size, max(256, self.size * 2)
        enlarge(self, _COLUMNS, new)
        enlarge_squares(self, _PAIRS, new)
        self.size = new
        self._free.extend(range(new - 1, old - 1, -1))
