"""What an identity service answers, read before it is used: it may be somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.foreign import told_by_name
from relaytrack.pipeline.identity.interface import IdentityService
from relaytrack.pipeline.identity.messages import IdentityAnswer, TrackletMessage
from relaytrack.pipeline.records import Ints


def ask(service: IdentityService, messages: Sequence[TrackletMessage]) -> IdentityAnswer:
    """Give a step to a service of any kind.

    Raises:
        TrackerError: from ours.
        InputError: another service failed, or what it answered cannot be read.
    """
    with told_by_name("identity service", service):
        answer = service.update(messages)
    return read_answer(answer, [len(message.ids) for message in messages], type(service).__name__)


def read_answer(answer: Any, counts: Sequence[int], name: str) -> IdentityAnswer:
    """The answer to one step, as `IdentityService.update` promises it.

    Args:
        answer: an `IdentityAnswer`, or an object with the same attributes.
        counts: how many tracks each message of the step has.
        name: the service's, for messages.

    Raises:
        InputError: it cannot be read, or does not fit the messages.
    """
    try:
        found = IdentityAnswer(
            tuple(_whole(ids) for ids in answer.global_ids),
            tuple(_whole(ids) for ids in answer.track_ids),
            tuple(answer.revisions),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"identity service {name}: its answer cannot be read ({error})") from None
    for key, ids in (("global_ids", found.global_ids), ("track_ids", found.track_ids)):
        got = [len(one) for one in ids]
        if got != list(counts):
            raise InputError(f"identity service {name}: {key} of {got} tracks, the messages have {list(counts)}")
    return found


def _whole(ids: Any) -> Ints:
    array = np.asarray(ids)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"ids of type {array.dtype}")
    return array.astype(np.int64).reshape(-1)
