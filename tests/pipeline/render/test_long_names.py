"""Names that are longer than the picture is wide."""

from __future__ import annotations

import numpy as np
import pytest

from relaytrack.pipeline.records import Image
from relaytrack.pipeline.render import painter, places
from relaytrack.pipeline.render.labels import Sprite, blend, fitted, pill, text_size
from relaytrack.pipeline.render.painter import Painter
from relaytrack.pipeline.render.places import Places

LONG = "the queue in front of the northern entrance by the stairs to the first floor"
Placed = list[tuple[int, int, int]]


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> Placed:
    """Where plates are laid: left end, right end and top, pixels."""
    found: Placed = []

    def noted(image: Image, sprite: Sprite, x: int, y: int) -> None:
        found.append((x, x + sprite.size[0], y))
        blend(image, sprite, x, y)

    monkeypatch.setattr(places, "blend", noted)
    monkeypatch.setattr(painter, "blend", noted)
    return found


@pytest.mark.parametrize("width", [60, 100, 352])
def test_a_text_is_cut_short_where_it_does_not_fit(width: int) -> None:
    for after in ("", ": 1"):
        cut = fitted(LONG, 12, width, after)
        assert cut.endswith(f"…{after}")
        assert LONG.startswith(cut.removesuffix(f"…{after}"))
        assert width - 20 < pill(cut, 12, (0, 0, 0), (0, 0, 0)).size[0] <= width
    assert fitted("door", 12, width) == "door"
    assert fitted(LONG, 12, 2000, "!") == LONG + "!"


def test_a_place_without_room_does_no_harm() -> None:
    assert fitted(LONG, 12, 5) == "t…"
    assert fitted(LONG, 12, 40, ": no picture yet").endswith("…")


@pytest.mark.parametrize("size", [(352, 288), (160, 120), (1920, 1080)])
def test_names_of_zones_and_lines_lie_in_the_picture(size: tuple[int, int], placed: Placed) -> None:
    """Fault: a name that was wider than the picture lost its end at the edge without a sign."""
    width, height = size
    corners = np.array([[0.1, 0.4], [0.5, 0.4], [0.5, 0.8]]) * size
    both = Places({LONG: corners, "door": corners}, {LONG: np.array([[0.9, 0.3], [0.99, 0.3]]) * size})
    both.draw(np.zeros((height, width, 3), np.uint8), (0, 0), 1.0, (0, 0), text_size(width, height))
    assert len(placed) == 3
    assert all(0 <= left < right <= width for left, right, _ in placed)


def test_the_camera_s_name_ends_before_the_clock(placed: Placed) -> None:
    """Fault: a long name ran under the clock."""
    drawing = Painter("camera_of_the_northern_entrance_with_a_name_of_60_letters")
    drawing._zero = 1_764_450_000.0  # a live run: date and time
    drawing._draw_corner(np.zeros((288, 352, 3), np.uint8), 65.3, text_size(352, 288))
    (_, end, _), (clock, right, _) = placed
    assert end < clock < right <= 352
