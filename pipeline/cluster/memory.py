"""What the identity service of a cluster knows and keeps over a restart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from relaytrack.pipeline.cluster.answers import BatchAnswer
from relaytrack.pipeline.cluster.batches import TrackletBatch
from relaytrack.pipeline.identity.messages import IdentityAnswer
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.palette import IdentityColors

_SPARE = 1000  # track ids of a camera that moved go on at the next thousand


@dataclass(slots=True)
class Memory:
    """The state that a checkpoint holds.

    Attributes:
        service: the association.
        colors: the identities' colours, given as a run on one machine gives them.
        seen: by camera, the last batch that was decided.
        highest: by camera, the highest track id so far.
        network: the mark of the network that describes people; None where it is not known.
    """

    service: LocalIdentityService
    colors: IdentityColors = field(default_factory=IdentityColors)
    seen: dict[str, int] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    network: bytes | None = None

    def decide(self, batches: list[TrackletBatch]) -> tuple[IdentityAnswer, list[BatchAnswer]]:
        """Decide batches together, and remember what was told."""
        answer = self.service.update([batch.message for batch in batches])
        out = []
        for batch, global_ids, track_ids in zip(batches, answer.global_ids, answer.track_ids, strict=True):
            camera = batch.camera
            self.seen[camera] = batch.sequence
            self.highest[camera] = max(self.highest.get(camera, 0), max(track_ids.tolist(), default=0))
            out.append(BatchAnswer(camera, batch.sequence, global_ids, track_ids))
        people = np.unique(np.concatenate(answer.global_ids))
        self.colors.see(max(batch.time for batch in batches), people[people > 0].tolist())
        return answer, out

    def again(self, batch: TrackletBatch) -> BatchAnswer:
        """The answer to a batch that was decided already."""
        return BatchAnswer(batch.camera, batch.sequence, self.service.known(batch.message), batch.message.ids)

    def first_id(self, camera: str) -> int:
        """The number after which the track ids of a camera begin that goes on elsewhere."""
        return -(-self.highest.get(camera, 0) // _SPARE) * _SPARE
