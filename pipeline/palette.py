"""Colours: one per identity, and the ink that reads on it."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.remembered import NumberSet

Rgb = tuple[int, int, int]
_COLORS = 24
_LIGHTNESSES = (0.52, 0.62, 0.72, 0.82, 0.9)
_LEAST_CHROMA = 0.1
_CLEAR = 22.0  # CIEDE2000 from which on two colours are told apart at a glance
_TOGETHER = 10.0  # seconds in which people count as seen together
_MOST_KNOWN = 50_000
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


@lru_cache(maxsize=1)
def palette() -> tuple[Rgb, ...]:
    """The identities' colours: each differs as much as possible from those before it (CIEDE2000).

    They are chosen among strong colours of several lightnesses, evenly spread in OKLCH (Ottosson 2020).
    """
    strongest = [_strongest(lightness, hue) for lightness in _LIGHTNESSES for hue in range(0, 360, 6)]
    found = [color for color, chroma in strongest if chroma >= _LEAST_CHROMA]
    candidates = np.array(found, np.float64)
    labs = to_lab(candidates)
    chosen = [found.index(_strongest(0.72, 150)[0])]
    nearest = color_distance(labs, labs[chosen[0]])
    while len(chosen) < _COLORS:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, color_distance(labs, labs[chosen[-1]]))
    return tuple(found[number] for number in chosen)


def identity_color(identity: int) -> Rgb:
    """The RGB colour that an identity has unless somebody beside it has a similar one; see `IdentityColors`."""
    return palette()[(identity - 1) % _COLORS]


class IdentityColors:
    """Gives every identity of a run its colour and keeps it, so that people seen together can be told apart.

    A new person gets the colour of their number. Where somebody seen in the last seconds, in any camera, has a similar
    one, they get the colour that differs most from the colours present.

    Args:
        known: colours given before.
    """

    def __init__(self, known: Mapping[int, Rgb] | None = None) -> None:
        self._known: OrderedDict[int, Rgb] = OrderedDict(known or {})  # later on, only unusual ones
        self._met = NumberSet(self._known)
        self._seen: OrderedDict[int, float] = OrderedDict()
        self._worn: dict[int, Rgb] = {}  # the colours of those in `_seen`
        self._beside: Counter[Rgb] = Counter()  # how many of them have each

    def of(self, identity: int) -> Rgb:
        """The identity's RGB colour."""
        return self._known.get(identity) or identity_color(identity)

    def see(self, time: float, identities: Iterable[int]) -> None:
        """Note who is seen at `time`, seconds of the run's clock, in all cameras; new identities get colours."""
        people = sorted(set(identities))
        arrived = [identity for identity in people if identity not in self._seen]
        for identity in people:
            self._seen[identity] = time
            self._seen.move_to_end(identity)
        while self._seen and next(iter(self._seen.values())) < time - _TOGETHER:
            self._beside[self._worn.pop(self._seen.popitem(last=False)[0])] -= 1
        new = [identity for identity in arrived if identity not in self._met]
        for identity in arrived:
            if identity in self._met:
                self._wear(identity, self.of(identity))
        for identity in new:
            self._met.add(identity)
            usual = identity_color(identity)
            color = _apart(usual, tuple(sorted(+self._beside)))
            self._wear(identity, color)
            if color != usual:
                self._known[identity] = color
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)

    def _wear(self, identity: int, color: Rgb) -> None:
        """Note the colour of somebody who is seen now."""
        self._worn[identity] = color
        self._beside[color] += 1

    def given(self) -> dict[int, Rgb]:
        """The colours that are not the usual ones of their numbers, the last fifty thousand at most."""
        return dict(self._known)


@lru_cache(maxsize=64)
def _apart(preferred: Rgb, beside: tuple[Rgb, ...]) -> Rgb:
    """`preferred` if it differs clearly from the colours `beside`, else the palette's most different colour."""
    if not beside:
        return preferred
    others = to_lab(np.array(beside, np.float64))
    if color_distance(others, to_lab(np.array(preferred, np.float64))).min() >= _CLEAR:
        return preferred
    labs = to_lab(np.array(palette(), np.float64))
    return palette()[int(np.argmax(color_distance(labs[:, None], others[None]).min(axis=1)))]


def to_lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB (D65) of sRGB colours (..., 3) in 0..255."""
    share = rgb / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    lab: NDArray[np.float64] = np.stack(
        [116 * root[..., 1] - 16, 500 * (root[..., 0] - root[..., 1]), 200 * (root[..., 1] - root[..., 2])], axis=-1
    )
    return lab


def color_distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIEDE2000 between CIELAB colours (..., 3), as in Sharma, Wu and Dalal (2005); 1 is just noticeable."""
    chroma = [np.hypot(lab[..., 1], lab[..., 2]) for lab in (one, other)]
    mean7 = ((chroma[0] + chroma[1]) / 2) ** 7
    stretch = 1 + 0.5 * (1 - np.sqrt(mean7 / (mean7 + 25.0**7)))
    a = [lab[..., 1] * stretch for lab in (one, other)]
    c = [np.hypot(a[0], one[..., 2]), np.hypot(a[1], other[..., 2])]
    hue = [np.degrees(np.arctan2(lab[..., 2], red)) % 360 for red, lab in zip(a, (one, other), strict=True)]
    grey = c[0] * c[1] == 0
    turn = np.where(grey, 0.0, (hue[1] - hue[0] + 180) % 360 - 180)
    light, strong = other[..., 0] - one[..., 0], c[1] - c[0]
    round_ = 2 * np.sqrt(c[0] * c[1]) * np.sin(np.radians(turn / 2))
    mean_light, mean_strong = (one[..., 0] + other[..., 0]) / 2, (c[0] + c[1]) / 2
    mean_hue = np.where(grey, hue[0] + hue[1], (hue[0] + turn / 2) % 360)
    shape = (
        1
        - 0.17 * np.cos(np.radians(mean_hue - 30))
        + 0.24 * np.cos(np.radians(2 * mean_hue))
        + 0.32 * np.cos(np.radians(3 * mean_hue + 6))
        - 0.20 * np.cos(np.radians(4 * mean_hue - 63))
    )
    off = (mean_light - 50) ** 2
    light = light / (1 + 0.015 * off / np.sqrt(20 + off))
    round_ = round_ / (1 + 0.015 * mean_strong * shape)
    strong = strong / (1 + 0.045 * mean_strong)
    tilt = np.sin(np.radians(60 * np.exp(-(((mean_hue - 275) / 25) ** 2))))
    tilt = -2 * np.sqrt(mean_strong**7 / (mean_strong**7 + 25.0**7)) * tilt
    distance: NDArray[np.float64] = np.sqrt(light**2 + strong**2 + round_**2 + tilt * strong * round_)
    return distance


def _strongest(lightness: float, hue: float) -> tuple[Rgb, float]:
    """The strongest colour of a lightness and hue (degrees) that the screen can show, and its chroma."""
    for chroma in np.arange(0.24, 0.0, -0.01):
        rgb = _oklch(lightness, float(chroma), math.radians(hue))
        if rgb.min() >= 0.0 and rgb.max() <= 1.0:
            break
    red, green, blue = np.clip(np.rint(_gamma(np.clip(rgb, 0.0, 1.0)) * 255.0), 0, 255).astype(int)
    return (int(red), int(green), int(blue)), float(chroma)


def _oklch(lightness: float, chroma: float, hue: float) -> NDArray[np.float64]:
    """Linear sRGB (3,) of a colour in OKLCH; values outside 0..1 cannot be shown."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    lms = np.array(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    result: NDArray[np.float64] = to_rgb @ lms**3
    return result


def _gamma(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def ink_on(color: Rgb) -> Rgb:
    """The text colour, near black or white, that reads best on `color`."""
    luminance = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (16, 18, 22) if luminance > 130 else (255, 255, 255)
