"""How far a measurement has come, on the error stream, where figures on the output stay by themselves."""

from __future__ import annotations

import sys
import time


def say(text: str) -> None:
    """Write a line."""
    print(f"relaytrack: {text}", file=sys.stderr, flush=True)


def say_when(text: str) -> None:
    """Write a line with the time of day, for measurements of hours."""
    say(f"{time.strftime('%H:%M:%S')} {text}")
