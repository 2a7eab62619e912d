"""Corrections by hand while a run goes on: asked for by the program, by the server, or through the run's folder."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from relaytrack.pipeline.errors import RelayTrackError
from relaytrack.pipeline.identity.corrections import Corrections
from relaytrack.pipeline.postprocess.cover_segments import cover_segments
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.results.correction import Correction, Kind, times
from relaytrack.pipeline.results.correction_plan import as_kind, plan, told
from relaytrack.pipeline.results.identities import NAME, TrackRecord
from relaytrack.pipeline.results.requests import Request, Requests
from relaytrack.pipeline.results.run_data import load_run
from relaytrack.pipeline.runtime.request_watch import RequestWatch
from relaytrack.pipeline.runtime.sink_host import SinkHost
from relaytrack.trackers.errors import TrackerError

_PATIENCE = 60.0  # seconds that the sinks get
_RECENT = 60.0  # seconds for which a track can be followed before it stands in any list


class Corrector:
    """Carries corrections out: in the association, in every sink and in the files of the run.

    Args:
        identities: the identity service with corrections on top.
        host: the sinks.
        hold: held while a step goes to the sinks.
        folder: the run's folder, None where it leaves none.
        zero: seconds since 1970 at the run's time 0.
        now: gives the time of the newest step, seconds on the run's clock.
        report: writes the report anew, where there is one.
        forget: takes a person, with their (camera, track) ids, out of what events are told from.
    """

    def __init__(
        self,
        identities: Corrections,
        host: SinkHost,
        hold: threading.Lock,
        folder: Path | None,
        *,
        zero: float,
        now: Callable[[], float],
        report: Callable[[], object],
        forget: Callable[[int, Collection[tuple[str, int]]], object],
    ) -> None:
        self._identities, self._host, self._hold = identities, host, hold
        self._folder, self._zero, self._now, self._report = folder, zero, now, report
        self._forget = forget
        self._requests = None if folder is None else Requests(folder)
        self._one = threading.RLock()
        self._people: set[int] = set()  # who was forgotten
        self._tracks: set[tuple[str, int]] = set()
        self._watch = None if self._requests is None else RequestWatch(self._requests, self._answer)

    def start(self) -> None:
        """Begin to look for requests in the folder."""
        if self._watch is not None:
            self._watch.start()

    def close(self) -> None:
        """Look for no more requests; one that is being carried out is finished."""
        if self._watch is not None:
            self._watch.close()

    def shown(self, step: Step) -> Step:
        """A step without people who were forgotten since it was made."""
        if not self._people:
            return step
        tracks = []
        for one in step.tracks:
            camera = one.frame.camera
            kept = [
                row
                for row, (track, identity) in enumerate(zip(one.ids.tolist(), one.global_ids.tolist(), strict=True))
                if identity not in self._people and (camera, track) not in self._tracks
            ]
            tracks.append(one if len(kept) == len(one.ids) else one.pick(kept))
        events = tuple(
            event
            for event in step.events
            if event.identity not in self._people and (event.camera, event.track) not in self._tracks
        )
        revisions = tuple(change for change in step.revisions if (change.camera, change.track) not in self._tracks)
        return replace(step, tracks=tuple(tracks), events=events, revisions=revisions)

    def correct(self, kind: Kind, wanted: Mapping[str, Any]) -> list[Correction]:
        """Carry a correction out, and note it in the folder; returns when all sinks and files follow it.

        Args:
            kind: what is asked for.
            wanted: as of `pipeline.results.requests.Request`.

        Raises:
            InputError: a number or track is unknown, or people cannot be one.
            SinkError: a sink could not follow.
            OutputError: a file cannot be written.
            TrackerError: the store of identities cannot be written.
        """
        with self._one:
            number = None if self._requests is None else self._requests.ask(kind, dict(wanted), "begun")
            with self._noting(number):
                done = self._correct(kind, wanted, number)
            self._note_done(number, done)
        return done

    def apply(
        self,
        kind: Kind,
        person: int,
        new: int = 0,
        *,
        tracks: Iterable[tuple[str, int]] | None = None,
        delete_videos: bool = False,
    ) -> None:
        """Carry out a correction that was decided elsewhere, as by the server, which knows the people of all its runs.

        Args:
            kind: what is done.
            person: as of `Correction`.
            new: as of `Correction`.
            tracks: those of a split; None takes all of the person.
            delete_videos: as of `Correction`.

        Raises:
            SinkError, OutputError, TrackerError: as of `correct`.
        """
        with self._one:
            if kind == "forget":
                self._finish(person)
            people, zero = self._known()
            mine = times(people.get(person, ()))
            if tracks is not None:
                mine = {key: mine.get(key, (0.0, self._now())) for key in tracks}
            correction = Correction(kind, person, new, mine, zero, delete_videos)
            if kind != "forget" or self._requests is None:
                self._carry_out(correction, None)
                return
            # a kill may come between: what stands in the folder is finished by whoever asks next
            number = self._requests.ask("forget", {"person": person, "delete_videos": delete_videos}, "begun")
            with self._noting(number):
                self._carry_out(correction, number)
            self._note_done(number, [correction])

    def _finish(self, person: int) -> None:
        """Forget a person again, where an earlier try has failed half-way."""
        for request in () if self._requests is None else self._requests.open():
            if request.kind == "forget" and request.plan is not None and request.wanted.get("person") == person:
                correction = Correction.of_json(request.plan)
                with self._noting(request.id):
                    self._carry_out(correction, request.id)
                self._note_done(request.id, [correction])

    @contextmanager
    def _noting(self, number: int | None) -> Iterator[None]:
        """Note that a request failed: it is tried again if it was begun already, else refused."""
        try:
            yield
        except (RelayTrackError, TrackerError) as error:
            if self._requests is not None and number is not None:
                if self._requests.get(number).plan is None:
                    self._requests.note(number, "refused", answer=str(error))
                else:
                    self._requests.fail(number, str(error))
            raise

    def _note_done(self, number: int | None, done: Sequence[Correction]) -> None:
        if self._requests is not None and number is not None:
            self._requests.note(number, "done", answer=told(done))

    def _correct(self, kind: Kind, wanted: Mapping[str, Any], number: int | None) -> list[Correction]:
        people, zero = self._known()
        planned = plan(kind, {**wanted, "zero": zero}, people)
        for correction in planned:
            self._carry_out(correction, number)
        return planned

    def _known(self) -> tuple[dict[int, list[TrackRecord]], float]:
        """Everybody's tracks at this moment, and seconds since 1970 at the run's time 0."""
        if self._folder is None:
            return {}, self._zero
        self._host.ask("bring_up_to_date").wait(_PATIENCE)
        if not (self._folder / NAME).exists():
            return {}, self._zero
        data = load_run(self._folder)
        return data.people, self._zero if data.clock_zero is None else data.clock_zero

    def _carry_out(self, correction: Correction, number: int | None) -> None:
        if correction.kind == "merge":
            self._identities.merge(correction.new, correction.person, correction.tracks)
        elif correction.kind == "split":
            self._identities.separate(correction.tracks, correction.new, correction.person)
        else:
            recent = self._now() - _RECENT, math.inf
            keys = self._identities.forget_person(correction.person, correction.tracks)
            correction = replace(
                correction, tracks={**dict.fromkeys(keys, recent), **_open_ended(correction, self._now())}
            )
            if self._requests is not None and number is not None:  # a kill may come between
                self._requests.note(number, "begun", plan=correction.as_json())
            self._forget(correction.person, set(correction.tracks))
        with self._hold:
            if correction.kind == "forget":
                self._people.add(correction.person)
                self._tracks |= set(correction.tracks)
            asked = self._host.ask("corrected", correction)
        asked.wait(_PATIENCE)
        if self._folder is not None and correction.kind == "forget":
            cover_segments(self._folder, correction)
        self._report()

    def _answer(self, request: Request) -> str | None:
        """Carry out what was asked for through the folder; None: the program has done it meanwhile."""
        assert self._requests is not None
        with self._one:
            now = self._requests.get(request.id)
            if now.state in ("done", "refused"):
                return None
            if now.plan is None:
                return told(self._correct(as_kind(now.kind), now.wanted, now.id))
            correction = Correction.of_json(now.plan)  # cut short, or failed
            self._carry_out(correction, now.id)
        return told([correction])


def _open_ended(correction: Correction, now: float) -> Mapping[tuple[str, int], tuple[float, float]]:
    """The tracks of a correction; those that were seen just now may go on for a moment."""
    return {
        key: (first, max(last, now) if now - last < _RECENT else last)
        for key, (first, last) in correction.tracks.items()
    }
