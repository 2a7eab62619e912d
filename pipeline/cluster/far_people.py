"""What operators say of people, on a site whose cameras are followed elsewhere: told to every machine, and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from relaytrack.pipeline.cluster.far_recordings import Answers
from relaytrack.pipeline.cluster.ray_bus import RayBus
from relaytrack.pipeline.cluster.work_order import Served
from relaytrack.pipeline.identity.same_people import SamePeople
from relaytrack.pipeline.results.correction import Kind

Command = Literal["correct", "forbid_link", "change_settings"]
"""What all work can be told: the methods of `NodeWork` of these names."""
Tell = Callable[..., None]
"""Tells all programs: command, its words, `timeout` in seconds; returns when all have done it."""
_SOON = 10.0  # seconds
_FORGETTING = 60.0  # seconds; videos are covered


class FarPeople:
    """Remembers merges and pairs of numbers that are two people; tells them to all programs, and to new ones.

    Attributes:
        tell: see `Tell`; set once there are programs.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._people = SamePeople()
        self.tell: Tell = lambda *words, timeout: None

    def said(self) -> Served:
        """All merges and pairs so far."""
        with self._changing:
            return Served(dict(self._people.merged), frozenset(self._people.cannot_link))

    def recall(self, merged: Mapping[int, int], cannot_link: Iterable[frozenset[int]] = ()) -> None:
        """Add what was said in earlier starts."""
        with self._changing:
            self._people.recall(merged, cannot_link)

    def forbid_link(self, one: int, other: int) -> None:
        """From now on these are two people.

        Raises:
            RelayTrackError: a machine could not follow.
        """
        with self._changing:
            self._people.forbid_link(one, other)
        self.tell("forbid_link", one, other, timeout=_SOON)

    def merge(self, keep: int, gone: int) -> None:
        """Remember that `gone` is the same person as `keep`."""
        with self._changing:
            self._people.merge(keep, gone)

    def forget(self, person: int) -> set[int]:
        """Drop a person's merges; returns all numbers that the person had."""
        with self._changing:
            names = self._people.names(person)
            self._people.forget(names)
            return names


class FarCorrector:
    """Carries corrections out on all machines.

    Args:
        people: keeps them.
        leave_out: told of somebody who is forgotten, before the machines are.
        machines: asks each machine about what lies on it.
    """

    def __init__(self, people: FarPeople, leave_out: Callable[[int], object], machines: Callable[..., Answers]) -> None:
        self._people, self._leave_out, self._machines = people, leave_out, machines

    def apply(
        self,
        kind: Kind,
        person: int,
        new: int = 0,
        *,
        tracks: Iterable[tuple[str, int]] | None = None,
        delete_videos: bool = False,
    ) -> None:
        """Carry out a correction; see `Corrector.apply`.

        Raises:
            RelayTrackError: a machine, or the identity service, could not follow.
        """
        chosen = None if tracks is None else list(tracks)
        if kind == "merge":
            self._people.merge(new, person)
        elif kind == "forget":
            self._leave_out(person)
            RayBus().ask("forget", sorted(self._people.forget(person)), {}, timeout=_SOON)
        timeout = _FORGETTING if kind == "forget" else _SOON
        words: dict[str, Any] = {"tracks": chosen, "delete_videos": delete_videos}
        self._people.tell("correct", kind, person, new, words, timeout=timeout)
        if kind == "forget":
            self._machines("forget", person, delete_videos, timeout=_FORGETTING)
