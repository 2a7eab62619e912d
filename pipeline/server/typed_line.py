"""Text that somebody types in: one line, without letters that cannot be seen or that turn others around."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator

_JOINERS = "\u200c\u200d"  # of Persian words and of emoji


def typed_line(text: str) -> str:
    """A text with single blanks, and without control characters and marks that turn the direction of what follows."""
    shown = "".join(
        " " if letter.isspace() else letter
        for letter in text
        if letter.isspace() or letter in _JOINERS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
    )
    return " ".join(shown.split())


Line = Annotated[str, AfterValidator(typed_line)]
