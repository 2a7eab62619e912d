"""A step as it goes from the machine that made it to the one that serves the site: few bytes, and no whole picture.

Boxes and ids take 28 bytes a person; embeddings come as rarely as those for the identity service. People's best
pictures, cut out and hidden as everywhere, come when a better one was seen.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from relaytrack.pipeline.cluster.answers import Rgb
from relaytrack.pipeline.cluster.batches import TrackletBatch, decode, encode
from relaytrack.pipeline.events.schema import parse_event
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import FrameTracks, Step


@dataclass(frozen=True, slots=True, eq=False)
class RelayedStep:
    """A step with what belongs to it.

    Attributes:
        step: the facts, with the people's best pictures as `crops`; embeddings of some tracks only.
        colors: of identities that were not shown before.
    """

    step: Step
    colors: Mapping[int, Rgb] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As bytes."""
        step = self.step
        frames = [(encode(TrackletBatch(0, message_of(one)), "compact"), _packed(one)) for one in step]
        events = [event.model_dump_json() for event in step.events]
        return pickle.dumps((step.time, frames, events, step.revisions, dict(step.crops), dict(self.colors)))

    @staticmethod
    def from_bytes(data: bytes, zero: float) -> RelayedStep:
        """What `to_bytes` made; `zero`: seconds since 1970 at the run's time 0."""
        time, frames, events, revisions, crops, colors = pickle.loads(data)
        tracks = tuple(_tracks_of(batch, ids, zero) for batch, ids in frames)
        known = tuple(parse_event(line) for line in events)
        return RelayedStep(Step(time, tracks, revisions, known, crops=crops), colors)


def message_of(tracks: FrameTracks) -> TrackletMessage:
    """A frame's tracks in the form that travels; boxes stay in pixels of the frame's image."""
    known = len(tracks.embeddings) == len(tracks)
    vectors = tracks.embeddings if known else np.zeros((len(tracks), 0), np.float32)
    return TrackletMessage(tracks.frame, tracks.ids, tracks.xyxy, tracks.scores, vectors)


def _packed(tracks: FrameTracks) -> bytes:
    return bytes(tracks.global_ids.astype("<u4").tobytes())


def _tracks_of(data: bytes, identities: bytes, zero: float) -> FrameTracks:
    message = decode(data, zero=zero)[0].message
    ids = np.frombuffer(identities, "<u4").astype(np.int64)
    return FrameTracks(message.frame, message.ids, ids, message.xyxy, message.scores, embeddings=message.embeddings)
