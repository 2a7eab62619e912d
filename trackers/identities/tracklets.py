"""The table of tracks that are still open to correction: one row ("slot") per track, whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from relaytrack.trackers.errors import TrackerInputError
from relaytrack.trackers.identities.equal_pairs import equal_pairs
from relaytrack.trackers.identities.live_tracks import LiveTracks
from relaytrack.trackers.identities.meetings import Meetings
from relaytrack.trackers.identities.picture_zones import zones
from relaytrack.trackers.identities.sightings import Sightings
from relaytrack.trackers.identities.tracklet_columns import TrackletColumns
from relaytrack.trackers.identities.types import CameraTracks, Ints, TrackKey

Bools = NDArray[np.bool_]


class TrackletTable(TrackletColumns):
    """Everything known of the tracks in the window, by slot; rows of free slots hold stale values.

    Attributes:
        cameras: index of each camera in the column `camera`.
        corner, extent: (cameras, 2) edges of what each camera looks at, pixels: left and upper, right and lower.
        live: the banks of the tracks that are in view.
    """

    def __init__(self, bank: int, min_quality: float) -> None:
        super().__init__()
        self.live = LiveTracks(bank)
        self._min_quality = min_quality
        self._slot: dict[int, dict[int, int]] = {}
        self._free: list[int] = []
        self._before: dict[int, tuple[bytes, Ints]] = {}  # by camera, the ids of its last frame and their slots
        self._names: list[str] = []
        self.cameras: dict[str, int] = {}
        self.corner, self.extent = np.zeros((0, 2)), np.zeros((0, 2))
        self._meetings = Meetings()

    def __len__(self) -> int:
        return sum(map(len, self._slot.values()))

    def slots(self) -> Ints:
        """The slots in use, in order of the tracks' beginning (then of camera and track id)."""
        index = np.flatnonzero(self.used)
        order = np.lexsort((self.track[index], self.camera[index], self.start[index]))
        return np.asarray(index[order], np.int64)

    def key(self, slot: int) -> TrackKey:
        """The (camera, track id) of a slot."""
        if len(self._names) != len(self.cameras):
            self._names = list(self.cameras)
        return self._names[int(self.camera[slot])], int(self.track[slot])

    def find(self, camera: str, track: int) -> int | None:
        """The slot of a track, None when it is not in the table."""
        return self._slot.get(self.cameras.get(camera, -1), {}).get(track)

    def observe(self, views: Sequence[CameraTracks]) -> tuple[list[Ints], list[Ints]]:
        """Take the updated tracks of one step.

        Args:
            views: a camera at most once.

        Returns:
            for each view the slots of all its tracks, in its order, and of those that are new.

        Raises:
            TrackerInputError: embeddings of another size than before; nothing is taken then.
        """
        for view in views:
            self.widen(view.embeddings.shape[1], f"camera {view.camera}: embeddings")
        met: list[Ints] = []
        pairs = [self._find(view, met) for view in views]
        found, fresh = [slots for slots, _ in pairs], [new for _, new in pairs]
        begun = np.fromiter(chain.from_iterable(new.tolist() for new in fresh), np.int64)
        if len(begun):
            self.clear(begun)
        seen = Sightings(views)
        slots = np.concatenate(found) if found else begun
        if len(slots):
            self.move(slots, seen.boxes, seen.time)
            self._meet(seen, slots, met)
            self._look(seen, slots)
        for view in views:
            self._note_edges(view)
        return found, fresh

    def _find(self, view: CameraTracks, met: list[Ints]) -> tuple[Ints, Ints]:
        """The slots of a view's tracks and of the new ones; `met` takes the slots that were not seen together."""
        camera = self.cameras.setdefault(view.camera, len(self.cameras))
        if camera == len(self.extent):
            self.see(camera + 1)
        ids = view.ids.tobytes()
        before = self._before.get(camera)
        if before is not None and before[0] == ids:
            return before[1], np.zeros(0, np.int64)
        known = self._slot.setdefault(camera, {})
        rows = [known.get(track, -1) for track in view.ids.tolist()]
        new = []
        for row, slot in enumerate(rows):
            if slot < 0:
                rows[row] = slot = self._open(camera, int(view.ids[row]))
                new.append(slot)
        slots = np.array(rows, np.int64)
        met.append(slots)
        self._before[camera] = ids, slots
        return slots, np.array(new, np.int64)

    def _note_edges(self, view: CameraTracks) -> None:
        camera = self.cameras[view.camera]
        if view.image_size is not None:
            self.corner[camera], self.extent[camera] = view.origin, view.image_size
        elif len(view):
            self.extent[camera] = np.fmax(self.extent[camera], np.fmax.reduce(view.xyxy[:, 2:]))

    def see(self, cameras: int) -> None:
        """Make room for that many cameras."""
        more = np.zeros((cameras - len(self.extent), 2))
        self.corner, self.extent = np.vstack([self.corner, more]), np.vstack([self.extent, more])

    def close(self, slots: Ints) -> None:
        """Take tracks out of the table."""
        for camera in np.unique(self.camera[slots]).tolist():
            part = slots[self.camera[slots] == camera]
            known = self._slot[camera]
            for track in self.track[part].tolist():
                del known[track]
            self._before.pop(camera, None)
            self._meetings.close(part, camera, np.fromiter(known.values(), np.int64))
        self.live.leave(slots)
        self.used[slots] = False
        self._free += slots.tolist()
        self._free.sort(reverse=True)

    def conflicts(self, slots: Ints, others: Ints) -> Bools:
        """(N, M) which pairs of tracks (N,) and (M,) are two people because one frame shows both."""
        cannot_link = np.zeros((len(slots), len(others)), bool)
        rows, columns = equal_pairs(self.camera[slots], self.camera[others])
        cannot_link[rows, columns], _ = self.met(slots[rows], others[columns], duplicates=False)
        return cannot_link

    def met(self, one: Ints, other: Ints, *, duplicates: bool) -> tuple[Bools, Bools]:
        """Of pairs of tracks of one camera, (P,) slots each: which are two people, and which are left out of these.

        One frame shows both; `duplicates` leaves out those whose boxes coincide throughout.
        """
        met, twins = self._meetings.conflicts(one, other)
        twins &= met & duplicates
        return met & ~twins, twins

    def zones(self, slots: Ints) -> tuple[Ints, Ints]:
        """Where tracks (N,) began and ended, two (N,) as of `picture_zones.zones`."""
        camera, speed = self.camera[slots], self.velocity[slots]
        edges = self.corner[camera], self.extent[camera]
        return zones(self.first_box[slots], -speed, *edges), zones(self.last_box[slots], speed, *edges)

    def _open(self, camera: int, track: int) -> int:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._slot[camera][track] = slot
        self.used[slot] = True
        self.camera[slot], self.track[slot] = camera, track
        self._meetings.open(slot, camera)
        return slot

    def _meet(self, seen: Sightings, slots: Ints, met: Sequence[Ints]) -> None:
        for group in met:
            self._meetings.meet(group)
        for frame in seen.frames:
            self._meetings.count(slots[frame.rows], frame.overlap)

    def _look(self, seen: Sightings, slots: Ints) -> None:
        looks, weight, vectors = seen.looks(self._min_quality, self.weight[slots] == 0)
        if len(looks) == 0:
            return
        rows = slots[looks]
        seats = self.live.seat(rows, seen.time[looks], self.size)
        self.live.recall(seats, self.feature[rows], self.weight[rows])
        self.feature[rows] = self.live.look(seats, weight, vectors)
        self.weight[rows] += weight

    def widen(self, size: int, name: str) -> None:
        """Take embeddings of `size` numbers from now on; `name` says whose they are.

        Raises:
            TrackerInputError: they had another length before.
        """
        if size == 0 or size == self.feature.shape[1]:
            return
        if self.feature.shape[1] != 0:
            raise TrackerInputError(f"{name} have {size} numbers, those before had {self.feature.shape[1]}")
        self.feature = np.zeros((self.size, size), np.float32)
        self.live.widen(size)

    def _grow(self) -> None:
        old, new = self.size, self.size + max(256, self.size // 4)
        self.enlarge(new)
        self._meetings.grow(new)
        self._free.extend(range(new - 1, old - 1, -1))
