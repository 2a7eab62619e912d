"""`relaytrack calibrate`: point pairs to a homography from pixels to metres on the floor."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from relaytrack.pipeline.errors import InputError
from relaytrack.reid.paths import file_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from relaytrack.trackers import GroundPlane

_MOST_LINES = 500  # of the grid, each way

HELP = "make a camera's ground plane (pixels to metres) from four or more points"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `relaytrack calibrate`."""
    parser.add_argument(
        "--image", type=file_path, required=True, metavar="FILE", help="a picture or video of the camera"
    )
    parser.add_argument(
        "--point", action="append", default=[], metavar="x,y,X,Y", help="a pixel x,y and its place X,Y in metres"
    )
    parser.add_argument("--points", type=file_path, metavar="CSV", help="a file with x,y,X,Y in each line")
    parser.add_argument("--click", action="store_true", help="click the pixels and type the metres (needs a screen)")
    parser.add_argument("--picture", type=file_path, metavar="PNG", help="draw the points and a grid of metres")
    parser.add_argument("--step", type=float, default=1.0, metavar="M", help="metres between the grid's lines (1)")
    parser.add_argument("--out", type=file_path, metavar="YAML", help="write the homography (else it is printed)")


def run(args: argparse.Namespace) -> int:
    """Fit, report the error, draw and write."""
    import numpy as np
    import yaml

    from relaytrack.pipeline.results.single_file import check_single_file, write_single_file
    from relaytrack.trackers import homography_from_points

    if not 0 < args.step < math.inf:
        raise InputError("--step: must be above 0")
    if args.picture is not None:
        _check_picture(args.picture, (args.image, args.points))
    if args.out is not None:
        check_single_file(args.out, (args.image, args.points))
    image = _read(args.image)
    rows = [_numbers(word, "--point") for word in args.point]
    if args.points is not None:
        rows += _from_file(args.points)
    if args.click:
        rows += _click(image)
    if not rows:
        raise InputError("no points: give --point, --points or --click")
    table = np.array(rows, np.float64).reshape(-1, 4)
    plane = homography_from_points(table[:, :2], table[:, 2:])
    errors = np.linalg.norm(plane.project(table[:, :2]) - table[:, 2:], axis=1)
    text = yaml.safe_dump(
        {"ground": {"homography": [[float(value) for value in row] for row in plane.to_ground]}}, sort_keys=False
    )
    if args.out is not None:
        write_single_file(args.out, text.encode())
    else:
        print(text, end="")
    print(f"# {len(table)} points, error mean {errors.mean():.3f} m, greatest {errors.max():.3f} m")
    if args.picture is not None:
        _draw(args.picture, image, plane, table, args.step)
        print(f"# {args.picture}")
    return 0


def _numbers(text: str, where: str) -> list[float]:
    parts = re.split(r"[\s,;]+", text.replace('"', "").strip(" \t,;"))
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(f"{where}: expected x,y,X,Y, not {text.strip()!r}")
    return values


def _from_file(path: Path) -> list[list[float]]:
    from relaytrack.trackers.textfile import read_text, text_fault, told_lines  # with numpy, which --help does not need

    try:
        told = told_lines(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({text_fault(error)})") from error
    if told and not any(letter.isdigit() for letter in told[0][1]):
        del told[0]  # the names of the columns
    return [_numbers(line, f"{path}, line {number}") for number, line in told]


def _read(path: Path) -> NDArray[np.uint8]:
    """The picture, or the first frame of a video in its true shape, BGR.

    Raises:
        InputError: it is neither of them.
    """
    from relaytrack.pipeline.media import file_address
    from relaytrack.pipeline.sources.base import ReadError
    from relaytrack.pipeline.sources.video import VideoReader
    from relaytrack.reid.pictures import PictureError, read_picture

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return read_picture(path)[..., ::-1].copy()
    except PictureError:
        pass
    reader = VideoReader(file_address(path))
    try:
        reader.open()
        return reader.convert(next(reader.pictures()).raw)[..., ::-1].copy()
    except ReadError:
        raise InputError(f"{path}: neither a picture nor a video") from None
    finally:
        reader.close()


def _click(image: NDArray[np.uint8]) -> list[list[float]]:
    """Pixels clicked in a window, metres typed in the terminal; an empty line forgets the click, Esc ends.

    Raises:
        InputError: there is no screen.
    """
    import cv2

    clicked: list[tuple[int, int]] = []

    def remember(event: int, x: int, y: int, flags: int, data: object) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            clicked.append((x, y))

    title = "click a point on the floor, Esc to end"
    rows: list[list[float]] = []
    try:
        cv2.namedWindow(title)
        cv2.setMouseCallback(title, remember)
        while True:
            cv2.imshow(title, image)
            if cv2.waitKey(30) == 27:
                break
            while len(clicked) > len(rows):
                x, y = clicked[len(rows)]
                typed = input(f"pixel {x},{y}: metres X,Y: ")
                if typed.strip():
                    rows.append(_numbers(f"{x},{y},{typed}", "input"))
                else:
                    del clicked[len(rows)]
        cv2.destroyAllWindows()
    except cv2.error as error:
        raise InputError("--click: no window can be opened here; list the points instead") from error
    return rows


def _check_picture(path: Path, inputs: Sequence[Path | None]) -> None:
    import cv2

    from relaytrack.pipeline.results.single_file import check_single_file

    if not path.suffix or not cv2.haveImageWriter(path.name):
        raise InputError(f"--picture {path}: no kind of picture that can be written; call it .png or .jpg")
    check_single_file(path, inputs)


def _draw(path: Path, image: NDArray[np.uint8], plane: GroundPlane, table: NDArray[np.float64], step: float) -> None:
    import cv2
    import numpy as np

    from relaytrack.pipeline.results.single_file import write_single_file

    out = image.copy()
    low = np.floor(table[:, 2:].min(axis=0) / step - 1) * step
    high = np.ceil(table[:, 2:].max(axis=0) / step + 1) * step
    if (high - low).max() > _MOST_LINES * step:
        raise InputError(f"--step: {step:g} m is too small for a grid of {(high - low).max():g} m")
    height, width = out.shape[:2]
    along = np.linspace(0, 1, 50)
    for axis in (0, 1):
        for value in np.arange(low[axis], high[axis] + step / 2, step):
            line = np.empty((50, 2))
            line[:, axis] = value
            line[:, 1 - axis] = low[1 - axis] + along * (high[1 - axis] - low[1 - axis])
            pixels = plane.to_pixels(line)
            back = np.linalg.norm(plane.project(pixels) - line, axis=1) < step / 10  # in front of the camera
            near = (np.abs(pixels) < 4 * max(width, height)).all(axis=1) & back
            for begin in np.flatnonzero(near[:-1] & near[1:]).tolist():
                a, b = np.rint(pixels[begin : begin + 2]).astype(int).tolist()
                cv2.line(out, a, b, (200, 200, 0), 1, cv2.LINE_AA)
    for x, y, east, north in table.tolist():
        place = (round(x), round(y))
        cv2.circle(out, place, 4, (0, 0, 255), -1, cv2.LINE_AA)
        label = f"{east:g}, {north:g}"
        cv2.putText(out, label, (place[0] + 6, place[1] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 255), 1)
    done, data = cv2.imencode(path.suffix, out)
    if not done:
        raise InputError(f"{path}: the picture cannot be written")
    write_single_file(path, data.tobytes())
