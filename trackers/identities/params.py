"""The settings of the association of identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trackers.errors import InputError


@dataclass(frozen=True, slots=True)
class IdentityParams:
    """How tracks of all cameras become identities. The defaults are what is measured.

    Attributes:
        method: "joint" (all evidence, joint assignment, corrections) or "appearance" (the baseline: each new
            track greedily takes the most alike identity above a fixed threshold).
        threshold: cosine similarity from which two tracks count as one person; None for the threshold that
            was calibrated with the weights (given by the caller) or, without one, 0.5.
        gallery: embeddings kept per identity.
        max_identities: identities remembered; the longest unseen are forgotten first.
        max_age: seconds after which an unseen identity is forgotten; 0 to keep all.
    """

    method: Literal["joint", "appearance"] = "joint"
    threshold: float | None = None
    gallery: int = 8
    max_identities: int = 10_000
    max_age: float = 86_400.0

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            InputError: naming the field.
        """
        if self.method not in ("joint", "appearance"):
            raise InputError(f"identities.method: {self.method!r} is neither 'joint' nor 'appearance'")
        if self.threshold is not None and not -1.0 <= self.threshold <= 1.0:
            raise InputError("identities.threshold: a cosine similarity lies in -1..1")
        for name in ("gallery", "max_identities"):
            if getattr(self, name) < 1:
                raise InputError(f"identities.{name}: must be at least 1")
        if self.max_age < 0:
            raise InputError("identities.max_age: must not be negative")
