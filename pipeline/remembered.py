"""What a run of months remembers in bounded memory: the latest entries of a table, and which numbers have occurred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")
_BITS = 1024


class RecentMap(Generic[K, V]):
    """A table that forgets what was neither set nor asked for in the last `seconds` (twice that at the latest).

    Entries lie in two tables, the present one and the one before it. Whatever is used moves to the present one; when
    its time is over, the one before is dropped as a whole.

    Args:
        seconds: of the clock that `pass_time` tells.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun: float | None = None
        self._now: dict[K, V] = {}
        self._before: dict[K, V] = {}

    def pass_time(self, now: float) -> None:
        """Tell the present time."""
        if self._begun is None:
            self._begun = now
        elif now - self._begun >= self._seconds:
            self._before = self._now if now - self._begun < 2 * self._seconds else {}
            self._now, self._begun = {}, now

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: D | None = None) -> V | D | None:
        """The entry, which counts as used."""
        if key in self._now:
            return self._now[key]
        if key in self._before:
            value = self._now[key] = self._before.pop(key)
            return value
        return default

    def __getitem__(self, key: K) -> V:
        if key not in self:
            raise KeyError(key)
        return self._now[key] if key in self._now else self._before[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._before.pop(key, None)
        self._now[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._now or key in self._before

    def __len__(self) -> int:
        return len(self._now) + len(self._before)

    def pop(self, key: K) -> V | None:
        """Take an entry out."""
        value = self.get(key)
        self._now.pop(key, None)
        return value

    def items(self) -> Iterator[tuple[K, V]]:
        """All entries; the table must not be changed meanwhile."""
        yield from self._before.items()
        yield from self._now.items()


class NumberSet:
    """A set of whole numbers that mostly follow one another, such as identities: about a bit each."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._blocks: dict[int, int] = {}
        for number in numbers:
            self.add(number)

    def add(self, number: int) -> None:
        """Put a number in."""
        block, bit = divmod(number, _BITS)
        self._blocks[block] = self._blocks.get(block, 0) | 1 << bit

    def __contains__(self, number: int) -> bool:
        block, bit = divmod(number, _BITS)
        return bool(self._blocks.get(block, 0) >> bit & 1)

    def __len__(self) -> int:
        return sum(bits.bit_count() for bits in self._blocks.values())
