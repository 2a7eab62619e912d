"""Two hosts whose clocks differ by a known offset give the identities of one host."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relaytrack.pipeline.clock import RunClock
from relaytrack.pipeline.identity import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.records import FrameInfo
from relaytrack.trackers import IdentityAssociator

BEGIN = 1_800_000_000.0  # the true time at which the run begins
AHEAD = 7.5  # seconds by which the second host's clock is wrong
TICKS = {"a": 100.0, "b": 90_000.0}  # what each host's monotonic clock shows then


def clock(camera: str, skew: float, zero: float | None = None) -> RunClock:
    """The clock of the camera's host at the beginning of the run."""
    wrong = AHEAD if camera == "b" else 0.0
    return RunClock(zero=zero, skew=skew, now=lambda: BEGIN + wrong, tick=lambda: TICKS[camera])


def played(clocks: Mapping[str, RunClock], ticks: Mapping[str, float]) -> tuple[list[IdentityAnswer], dict[str, int]]:
    """One who walks from camera a to camera b, and one who is in b only; what the service says, and what came late."""
    looks = np.eye(2, 16, dtype=np.float32)
    service = LocalIdentityService(IdentityAssociator(max_late=4.0), cameras=["a", "b"], max_late=4.0)
    answers = []
    for step in range(60):
        true = step / 5
        messages = []
        for camera, who, there in (("a", 0, true < 4), ("b", 0, true > 6), ("b", 1, 2 < true < 5)):
            if not there:
                continue
            moment = clocks[camera].seconds(ticks[camera] + true)
            info = FrameInfo(camera, step + 1, moment, (160, 120), (0, 0), clocks[camera].epoch(moment))
            box = np.array([[20 + 2 * step % 80, 10, 50 + 2 * step % 80, 110]], np.float32)
            scores = np.array([0.9], np.float32)
            messages.append(TrackletMessage(info, np.array([who + 1]), box, scores, looks[[who]]))
        if messages:
            answers.append(service.update(messages))
    return answers, dict(service.status().late)


def test_two_hosts_whose_clocks_differ_give_the_result_of_one() -> None:
    first = clock("a", 0.0)
    one, late = played({"a": first, "b": first}, {"a": TICKS["a"], "b": TICKS["a"]})
    assert late == {}
    known = clock("b", AHEAD, first.zero)
    two, late = played({"a": first, "b": known}, TICKS)
    assert late == {}
    assert [[ids.tolist() for ids in answer.global_ids] for answer in two] == [
        [ids.tolist() for ids in answer.global_ids] for answer in one
    ]
    assert [answer.revisions for answer in two] == [answer.revisions for answer in one]
    assert two[-1].global_ids[0].tolist() == two[0].global_ids[0].tolist(), "who walked over is known again"


def test_an_offset_that_is_not_known_is_not_made_up_for() -> None:
    """What the test above would see without the correction."""
    first = clock("a", 0.0)
    _, late = played({"a": first, "b": clock("b", 0.0, first.zero)}, TICKS)
    assert late["a"] > 0
