"""What operators said of people's numbers: which of them are one person, and which pairs are two."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class SamePeople:
    """Merges, and pairs of numbers that are two people. Callers hold a lock where several threads change it.

    Attributes:
        merged: number -> the number that it goes by.
        cannot_link: pairs of numbers that are two people.
    """

    def __init__(self, merged: Mapping[int, int] | None = None, cannot_link: Iterable[frozenset[int]] = ()) -> None:
        self.merged: dict[int, int] = dict(merged or {})
        self.cannot_link: set[frozenset[int]] = set(cannot_link)

    def recall(self, merged: Mapping[int, int], cannot_link: Iterable[frozenset[int]] = ()) -> None:
        """Add what was said in earlier starts."""
        self.merged |= merged
        self.cannot_link |= set(cannot_link)

    def merge(self, keep: int, gone: int) -> None:
        """From now on `gone` counts as `keep`."""
        self.merged = {old: keep if new == gone else new for old, new in self.merged.items()} | {gone: keep}
        self.merged.pop(keep, None)
        pairs = {frozenset(keep if one == gone else one for one in pair) for pair in self.cannot_link}
        self.cannot_link = {pair for pair in pairs if len(pair) == 2}

    def forbid_link(self, one: int, other: int) -> None:
        """From now on these are two people."""
        self.cannot_link.add(frozenset((one, other)))

    def names(self, person: int) -> set[int]:
        """All numbers that a person goes by."""
        return {person} | {old for old, new in self.merged.items() if new == person}

    def forget(self, names: Iterable[int]) -> None:
        """Keep no merge of these numbers."""
        for name in names:
            self.merged.pop(name, None)
