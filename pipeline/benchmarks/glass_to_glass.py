"""From the painted clock to the screen of a browser: how old is what one sees on the live page?"""

from __future__ import annotations

import shutil
import time
from typing import Any

import numpy as np

from relaytrack.pipeline.benchmarks.painted_clock import BITS, CELL, ROUND, since, time_of
from relaytrack.pipeline.errors import RelayTrackError

_LOOK = """
([bits, cell]) => {
  window.taken = [];
  for (const tile of document.querySelectorAll(".tile")) {
    const strip = document.createElement("canvas");
    strip.width = bits * cell; strip.height = cell;
    const context = strip.getContext("2d", { willReadFrequently: true });
    const note = (source, height, at) => {
      context.drawImage(source, 0, height - cell, strip.width, cell, 0, 0, strip.width, cell);
      const { data } = context.getImageData(0, cell / 2, strip.width, 1);
      let text = "";
      for (let n = 0; n < bits; n++) text += data[4 * (n * cell + cell / 2) + 1] > 127 ? "1" : "0";
      window.taken.push([tile.dataset.camera, at, text]);
    };
    const video = tile.querySelector("video"), canvas = tile.querySelector("canvas");
    const each = (now, about) => {
      note(video, video.videoHeight, Date.now() + about.expectedDisplayTime - performance.now());
      video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
    let shown = canvas.dataset.shown;
    const look = () => {
      if (canvas.dataset.shown !== shown) { shown = canvas.dataset.shown; note(canvas, canvas.height, Date.now()); }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }
}
"""


def measure_glass(url: str, *, seconds: float = 30.0, warm: float = 8.0) -> dict[str, Any]:
    """Look at the live page of a server whose cameras are `clock_camera`s, in Chromium.

    Args:
        url: the page.
        seconds: how long.
        warm: seconds before, which do not count.

    Returns:
        `p50`, `p95` and `most` in seconds from painting a picture to showing it, `pictures` that were read, the share
        that was `unreadable`, which `codec` the browser took, and `first_pictures`: seconds from opening the page until
        every camera on it shows one.

    Raises:
        RelayTrackError: there is no browser, or nothing can be seen in it.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RelayTrackError("needs the package playwright: pip install playwright") from None
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise RelayTrackError("needs Chromium (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        opened = time.monotonic()
        page.goto(url)
        for waiting in page.locator(".tile .wait").all():
            waiting.wait_for(state="hidden")
        first = time.monotonic() - opened
        time.sleep(warm)
        page.evaluate(_LOOK, [BITS, CELL])
        time.sleep(seconds)
        taken = page.evaluate("() => window.taken")
        video = page.locator(".tile video").first.is_visible()
        browser.close()
    ages = [age for _, at, text in taken if (age := _age(at, text)) is not None]
    if not ages:
        raise RelayTrackError("no painted clock can be read on the page")
    p50, p95, most = (np.percentile(ages, [50, 95, 100]) / 1000).round(3).tolist()
    return {
        "p50": p50,
        "p95": p95,
        "most": most,
        "pictures": len(ages),
        "first_pictures": round(first, 3),
        "unreadable": round(1 - len(ages) / len(taken), 3),
        "codec": "h264" if video else "jpeg",
    }


def _age(at: float, text: str) -> int | None:
    """Milliseconds from a painted clock to a moment (since 1970); None where it was not read right."""
    painted = time_of(int(text, 2))
    return None if painted is None else since(painted, round(at) % ROUND)
