"""The steps of all programs of a cluster, as they reach the machine that serves the site."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from relaytrack.pipeline.cluster.answers import Rgb
from relaytrack.pipeline.cluster.node_colors import NodeColors
from relaytrack.pipeline.cluster.relayed_step import RelayedStep
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.remembered import NumberSet
from relaytrack.pipeline.results.correction import Correction
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.pipeline.runtime.snapshot import Present
from relaytrack.pipeline.runtime.summary import Summary

_MOST_COLORS = 50_000
_PATIENCE = 10.0  # seconds that the sinks get


class SiteSteps:
    """Hands the steps to the site's sinks.

    Args:
        host: the sinks.
        zero: seconds since 1970 at the run's time 0.
        known: people of earlier starts; that they are seen for the first time is not told.

    Attributes:
        present: who was in each camera's last frame; summary: how many people there were.
        colors: of the identities.
        handing_on: held while a step goes to the sinks.
    """

    def __init__(self, host: SinkHost, zero: float, known: Iterable[int] = ()) -> None:
        self._host, self._zero = host, zero
        self._known = NumberSet(known)
        self._told: OrderedDict[int, Rgb] = OrderedDict()
        self._forgotten: set[int] = set()
        self._begun = False
        self._cameras: dict[str, float] = {}  # since when each is there, seconds on the run's clock
        self.present, self.summary = Present(), Summary(())
        self.colors = NodeColors(self._told)
        self.handing_on = threading.Lock()

    def take(self, data: bytes) -> None:
        """A step from one of the programs."""
        relayed = RelayedStep.from_bytes(data, self._zero)
        with self.handing_on:
            for identity, color in relayed.colors.items():
                self._told[identity] = color
            while len(self._told) > _MOST_COLORS:
                self._told.popitem(last=False)
            step = self._shown(relayed.step)
            self.present.update(step)
            self.summary.add(step)
            self._host.put(step)

    def expect(self, cameras: Iterable[str]) -> None:
        """These are the present cameras; of one that comes again, no step from before counts."""
        now = time.time() - self._zero
        with self.handing_on:
            self._cameras = {name: self._cameras.get(name, now if self._begun else -math.inf) for name in cameras}
            self._begun = True

    def forget(self, person: int) -> None:
        """Leave somebody out of the steps that are on their way, and of what the site's sinks keep.

        Raises:
            SinkError: a sink could not follow.
        """
        with self.handing_on:
            self._forgotten.add(person)
            asked = self._host.ask("corrected", Correction("forget", person, 0, {}))
        asked.wait(_PATIENCE)

    def _shown(self, step: Step) -> Step:
        """The step without cameras that have left, people who are forgotten, and news that another program told."""
        tracks = []
        for one in step:
            if one.frame.time >= self._cameras.get(one.frame.camera, math.inf):
                rows = [row for row, person in enumerate(one.global_ids.tolist()) if person not in self._forgotten]
                tracks.append(one if len(rows) == len(one) else one.pick(rows))
        events = []
        for event in step.events:
            new = event.event == "identity"
            if event.identity in self._forgotten or (new and event.identity in self._known):
                continue
            if new:
                self._known.add(event.identity)
            events.append(event)
        return replace(step, tracks=tuple(tracks), events=tuple(events))
