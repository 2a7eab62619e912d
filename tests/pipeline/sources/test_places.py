"""Zones and lines that lie outside the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.errors import ConfigError, SourceError
from relaytrack.pipeline.preflight import preflight
from relaytrack.pipeline.sources import Source

Make = Callable[..., Source]
INSIDE = [(0, 0), (160, 0), (160, 96)]


def opened(make_source: Make, path: Path, **camera: Any) -> Source:
    source = make_source(path, **camera)
    source.open()
    source.close()
    return source


@pytest.mark.parametrize("roi", [None, (0, 0, 80, 48)])
def test_a_zone_or_line_outside_is_an_error(roi: object, make_source: Make, make_video: Callable[..., Path]) -> None:
    path = make_video()
    for corners in ([(161, 0), (170, 0), (170, 50)], [(0, -9), (50, -9), (9, -1)], [(1e9, 0), (1e9, 1), (1e8, 0)]):
        with pytest.raises(SourceError, match="camera 'door': zone 'z' lies outside the"):
            opened(make_source, path, zones={"z": corners}, roi=roi)
    with pytest.raises(SourceError, match="line 'l' lies outside the"):
        opened(make_source, path, lines={"l": [(200, 0), (200, 50)]}, roi=roi)


def test_corners_outside_are_a_warning(make_source: Make, make_video: Callable[..., Path]) -> None:
    path = make_video()
    source = opened(make_source, path, zones={"z": [*INSIDE, (200, 0)]})
    assert source.stats.warning == "camera 'door': zone 'z' has corners outside the picture of 160 x 96 pixels"
    source = opened(make_source, path, lines={"l": [(-5, 0), (9, 9)]})
    assert source.stats.warning is not None
    source = opened(make_source, path, zones={"z": INSIDE}, lines={"l": INSIDE[:2]})
    assert source.stats.warning is None
    roiped = opened(make_source, path, zones={"z": INSIDE}, roi=(80, 0, 80, 96))
    assert "region of interest of 80 x 96" in (roiped.stats.warning or "")


def test_it_is_found_before_the_networks_load(make_video: Callable[..., Path], tmp_path: Path) -> None:
    camera = {"url": str(make_video()), "zones": {"z": [[900, 0], [990, 0], [990, 50]]}}
    with pytest.raises(SourceError, match="zone 'z' lies outside the picture of 160 x 96 pixels"):
        preflight(load_config(data={"cameras": [camera], "output": {"dir": str(tmp_path / "o")}}))


@pytest.mark.parametrize(
    ("places", "says"),
    [
        ({"zones": {"z": [(0.1, 0.1), (0.5, 0.1), (0.5, 0.9)]}}, "zone 'z' is smaller than a pixel: give pixels"),
        ({"lines": {"l": [(0, 0.5), (1, 0.5)]}}, "line 'l' is smaller than a pixel: give pixels"),
        ({"zones": {"z": [(10, 10), (200, 10), (100, 10)]}}, "zone 'z' has no area"),
        ({"zones": {"z": [(1, 1), (3, 3), (9, 9), (2, 2)]}}, "zone 'z' has no area"),
        ({"zones": {"": [(0, 0), (90, 0), (90, 90)]}}, "'' is no name for a zone or line"),
        ({"zones": {"a\nb": [(0, 0), (90, 0), (90, 90)]}}, "is no name for a zone or line"),
        ({"lines": {"x" * 101: [(0, 0), (90, 0)]}}, "use 1 to 100 letters"),
    ],
)
def test_places_where_nobody_can_be_are_refused(places: dict[str, Any], says: str) -> None:
    """Fault: shares of the picture, and corners on one line, were accepted, and nobody was ever there."""
    with pytest.raises(ConfigError, match=f"cameras.0.*{says}"):
        load_config(data={"cameras": [{"url": "a.mp4", **places}]})


@pytest.mark.parametrize(
    ("corners", "crosses"),
    [
        ([(0, 0), (90, 90), (90, 0), (0, 90)], True),
        ([(0, 0), (90, 0), (90, 90), (40, -10)], True),
        ([(0, 0), (90, 0), (90, 90), (0, 90)], False),
        ([(0, 0), (90, 0), (90, 90), (45, 20), (0, 90)], False),  # hollow
        ([(0, 0), (90, 0), (90, 90), (0, 90), (0, 0)], False),  # closed once more
        ([(0, 0), (50, 0), (90, 0), (90, 90)], False),
        ([(0, 0), (90, 0), (0, 90)], False),
    ],
)
def test_corners_in_a_wrong_order_are_told(
    corners: list[tuple[int, int]], crosses: bool, make_source: Make, make_video: Callable[..., Path]
) -> None:
    """Fault: a zone whose corners were written crosswise lost half of its area without a word."""
    source = make_source(make_video(), zones={"z": corners})
    source.open()
    assert ("zone 'z' crosses itself" in (source.stats.warning or "")) is crosses


def test_a_zone_that_crosses_itself_has_an_area() -> None:
    corners = [(10, 10), (300, 500), (300, 10), (10, 500)]
    load_config(data={"cameras": [{"url": "a.mp4", "zones": {"z": corners, "triangle": [(0, 0), (1, 0), (0, 2)]}}]})
