"""Draw what is known of a frame on its picture: boxes with identities, trails, the camera's name and clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.dates import format_time, shown
from relaytrack.pipeline.palette import IdentityColors, ink_on
from relaytrack.pipeline.records import Floats, FrameTracks, Image
from relaytrack.pipeline.render.labels import blend, fitted, pill, text_size
from relaytrack.pipeline.render.places import Places
from relaytrack.pipeline.render.plates import RELUCTANCE, heads_covered, pixels_outside, plate_places
from relaytrack.trackers.boxes import intersections

_SHIFT = 3  # sub-pixel bits of cv2's coordinates
_PLATE = (14, 17, 23)
_WHITE = (255, 255, 255)
_EDGE = (20, 22, 26)
_THINNEST = 2  # pixels; thinner lines lose their colour in a video
_SMOOTH = 0.35  # seconds before and after a place on a trail whose mean it becomes
_BREAK = 1.5  # seconds without a box after which a trail starts anew


@dataclass(slots=True)
class _Trail:
    """Where a track's feet were: (time, x, y) in pixels of the drawn picture, oldest first."""

    points: deque[tuple[float, float, float]] = field(default_factory=deque)
    choice: int = 0


class Painter:
    """Draws one camera's frames, in time order, on pictures of one size.

    Args:
        name: what the corner says.
        trail: seconds of path drawn behind a person; 0 for none.
        colors: the identities' colours.
        places: zones and lines by camera; those of `name` are drawn under everything else.

    A frame that knows its date (live runs) gets date, time and zone of the place in its corner, another the run's own
    clock.
    """

    def __init__(
        self,
        name: str,
        *,
        trail: float = 2.0,
        colors: IdentityColors | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> None:
        self.name = name
        self._places: Mapping[str, Places] = {} if places is None else places
        self._trail_seconds = trail
        self._zero: float | None = None  # seconds since 1970 at the run's time 0
        self._colors = colors or IdentityColors()
        self._trails: dict[int, _Trail] = {}

    def draw(self, image: Image, tracks: FrameTracks, scale: float = 1.0, shift: tuple[int, int] = (0, 0)) -> None:
        """Draw `tracks` on `image`, in place.

        Args:
            image: (H, W, 3) uint8 RGB, contiguous; the frame's picture, or that scaled and moved.
            tracks: the frame's tracks, boxes in pixels of the frame's picture.
            scale: size of `image`'s content relative to the frame's picture.
            shift: (x, y) of the content's top left pixel in `image`.
        """
        height, width = image.shape[:2]
        size = text_size(width, height)
        boxes = self.follow(tracks, scale, shift)
        time = tracks.frame.time
        thickness = max(_THINNEST, round(size / 8))
        places = self._places.get(self.name)  # another thread may take it out
        if places is not None:
            places.draw(image, tracks.frame.roi_origin, scale, shift, size)
        colors = [self._colors.of(int(identity)) for identity in tracks.global_ids]
        for track, color in zip(tracks.ids, colors, strict=True):
            self._draw_trail(image, self._trails[int(track)], color, thickness)
        order = np.argsort(boxes[:, 3], kind="stable")  # nearer people (lower feet) over farther ones
        for row in order:
            _draw_box(image, boxes[row], colors[row], thickness)
        self._draw_labels(image, tracks, boxes, colors, size)
        self._draw_corner(image, time, size)

    def follow(self, tracks: FrameTracks, scale: float = 1.0, shift: tuple[int, int] = (0, 0)) -> Floats:
        """Note where people are, without drawing; returns their boxes (N, 4) in pixels of the drawn picture."""
        boxes: Floats = tracks.xyxy * np.float32(scale) + np.array((*shift, *shift), np.float32)
        if tracks.frame.epoch is not None:
            self._zero = tracks.frame.epoch - tracks.frame.time
        self._remember(tracks.frame.time, tracks.ids, boxes)
        return boxes

    def _remember(self, time: float, ids: NDArray[np.int64], boxes: Floats) -> None:
        """Add this frame's feet to the trails and drop the points that are too old."""
        for track, (x1, _, x2, y2) in zip(ids.tolist(), boxes.tolist(), strict=True):
            trail = self._trails.setdefault(track, _Trail())
            if trail.points and time - trail.points[-1][0] > _BREAK:
                trail.points.clear()
            trail.points.append((time, (x1 + x2) / 2, y2))
            while trail.points[0][0] < time - self._trail_seconds:
                trail.points.popleft()
        keep = max(self._trail_seconds, _BREAK)
        gone = [track for track, trail in self._trails.items() if trail.points[-1][0] < time - keep]
        for track in gone:
            del self._trails[track]

    def _draw_trail(self, image: Image, trail: _Trail, color: tuple[int, int, int], thickness: int) -> None:
        """A smooth line with a dark edge that gets thinner towards the past."""
        if self._trail_seconds <= 0 or len(trail.points) < 2:
            return
        path = _smooth(np.array(trail.points))
        points = np.rint(path[:, 1:] * (1 << _SHIFT)).astype(np.int32)
        middle = len(points) // 2 if thickness > _THINNEST else 0
        parts = [(points[: middle + 1], max(_THINNEST, thickness - 1)), (points[middle:], thickness)]
        parts = [(part, width) for part, width in parts if len(part) > 1]
        for part, width in parts:
            cv2.polylines(image, [part], False, _EDGE, width + 2, cv2.LINE_AA, _SHIFT)
        for part, width in parts:
            cv2.polylines(image, [part], False, color, width, cv2.LINE_AA, _SHIFT)

    def _draw_labels(
        self, image: Image, tracks: FrameTracks, boxes: Floats, colors: list[tuple[int, int, int]], size: int
    ) -> None:
        """One plate per person with the identity, placed where it covers nobody's head and no other plate."""
        height, width = image.shape[:2]
        sprites = [
            pill(str(identity), size, color, ink_on(color))
            for identity, color in zip(tracks.global_ids.tolist(), colors, strict=True)
        ]
        sizes = np.array([sprite.size for sprite in sprites], np.float64).reshape(-1, 2)
        places = plate_places(boxes, sizes)
        heads = 2.0 * heads_covered(places, boxes)
        outside = 3.0 * pixels_outside(places, width, height) * sizes[:, 1:].astype(np.float32)
        area = sizes.prod(axis=1)
        preferred = area[:, None] * np.array(RELUCTANCE)
        around = np.concatenate((places[..., :2].min(axis=1), places[..., 2:].max(axis=1)), axis=1).tolist()
        corner = pill(self.name, size, _PLATE, _WHITE, 0.6).size[1] + 4
        taken: list[tuple[int, int, int, int]] = [(0, 0, width, corner)]
        for row in np.argsort(boxes[:, 1], kind="stable").tolist():
            sprite, trail = sprites[row], self._trails[int(tracks.ids[row])]
            left, top, right, bottom = around[row]
            near = [t for t in taken if t[0] < right and t[2] > left and t[1] < bottom and t[3] > top]
            cost = heads[row]
            if near:
                cost = cost + 4.0 * intersections(places[row], np.array(near, np.float32)).sum(axis=1)
            cost = cost + outside[row] + preferred[row]
            cost[trail.choice] -= 0.3 * area[row]  # stay: a plate that jumps is hard to read
            trail.choice = int(cost.argmin())
            left, top = places[row, trail.choice, :2].tolist()
            x = max(0, min(round(left), width - sprite.size[0]))
            y = max(0, min(round(top), height - sprite.size[1]))
            blend(image, sprite, x, y)
            taken.append((x, y, x + sprite.size[0], y + sprite.size[1]))

    def _draw_corner(self, image: Image, time: float, size: int) -> None:
        """The camera's name at the top left, the clock at the top right."""
        clock = pill(self.clock(time), size, _PLATE, _WHITE, 0.6)
        margin = max(3, size // 3)
        room = image.shape[1] - clock.size[0] - 3 * margin
        name = pill(fitted(self.name, size, room), size, _PLATE, _WHITE, 0.6)
        blend(image, name, margin, margin)
        blend(image, clock, image.shape[1] - clock.size[0] - margin, margin)

    def clock(self, time: float) -> str:
        """The text of the clock: `m:ss.s` of the run, or date, time and zone of the place in a live run."""
        if self._zero is not None:
            return shown(self._zero + time)
        return format_time(time)


def _smooth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A path (N, 3) of times and places without the boxes' trembling; its two ends stay where they are.

    Each place becomes the mean of the places up to `_SMOOTH` seconds before and after it; this is done twice.
    """
    count = len(points)
    step = max((points[-1, 0] - points[0, 0]) / (count - 1), 1e-6)
    number = np.arange(count)
    reach = np.minimum(np.minimum(number, number[::-1]), round(min(_SMOOTH / step, count)))
    first, last, width = number - reach, number + reach + 1, (2 * reach + 1)[:, None]
    smooth, sums = points.copy(), np.zeros((count + 1, 2))
    for _ in range(2):
        smooth[:, 1:].cumsum(axis=0, out=sums[1:])
        smooth[:, 1:] = (sums[last] - sums[first]) / width
    return smooth


def _draw_box(image: Image, box: Floats, color: tuple[int, int, int], thickness: int) -> None:
    """An outline with strong corners and a dark edge, sharp on the pixel grid.

    Videos store colour for pairs of pixels only: a line of one pixel would lose its colour.
    """
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    thin = max(_THINNEST, thickness - 1)
    strong = thickness + (thickness > 2)
    arm = max(3, min(x2 - x1, y2 - y1) // 4)
    corners = [
        np.array(((x + dx, y), (x, y), (x, y + dy)), np.int32)
        for x, dx in ((x1, arm), (x2, -arm))
        for y, dy in ((y1, arm), (y2, -arm))
    ]
    cv2.rectangle(image, (x1, y1), (x2, y2), _EDGE, thin + 2, cv2.LINE_8)
    cv2.polylines(image, corners, False, _EDGE, strong + 2, cv2.LINE_8)
    cv2.rectangle(image, (x1, y1), (x2, y2), color, thin, cv2.LINE_8)
    cv2.polylines(image, corners, False, color, strong, cv2.LINE_8)
