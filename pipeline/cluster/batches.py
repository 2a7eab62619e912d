"""What crosses the network: the tracks of one frame as few bytes, and the answers to them. Never a picture.

A `TrackletBatch` takes 30 bytes and the camera's name, and 24 bytes a track; the embeddings of those tracks that have
one come on top. There are two forms of an embedding: "exact", float32, which changes nothing; and "compact", float16,
or, where that would be more than 640 bytes, whole numbers of 8 bits and a scale (512 numbers: 516 bytes, cosine to the
original above 0.999).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from relaytrack.pipeline.errors import InputError
from relaytrack.pipeline.identity.messages import TrackletMessage
from relaytrack.pipeline.records import Floats, FrameInfo

Form = Literal["exact", "compact"]
VERSION = 1
"""Of the bytes; both sides must speak the same."""

_HEAD = struct.Struct("<BBBHHIIdHHHH")  # version, form, letters of the name, tracks, size of embeddings, ...
_TRACK = np.dtype([("id", "<u4"), ("box", "<f4", 4), ("score", "<f4")])
_MOST_HALF = 640  # bytes of an embedding as float16; longer ones go as 8 bits
_EXACT, _HALF, _EIGHT = range(3)
_TYPES = {_EXACT: "<f4", _HALF: "<f2", _EIGHT: "i1"}


@dataclass(frozen=True, slots=True)
class TrackletBatch:
    """One camera's tracks of one frame, numbered.

    Attributes:
        sequence: 1, 2, ... per camera; a number that was decided already is not decided again.
        message: the tracks; a row of NaN where no embedding is sent.
    """

    sequence: int
    message: TrackletMessage

    @property
    def camera(self) -> str:
        """The camera's name."""
        return self.message.frame.camera

    @property
    def time(self) -> float:
        """Seconds on the run's clock."""
        return self.message.frame.time


def encode(batch: TrackletBatch, form: Form) -> bytes:
    """A batch as bytes.

    Args:
        batch: track ids up to 2^32 - 1, picture sides up to 65535 pixels.
        form: of the embeddings; everything else is exact in both. The frame's `epoch` and `arrived` stay behind.
    """
    message, frame = batch.message, batch.message.frame
    name = frame.camera.encode()
    size = message.embeddings.shape[1]
    known = np.asarray(np.isfinite(message.embeddings).all(axis=1) & (size > 0), bool)
    code = _EXACT if form == "exact" else _HALF if 2 * size <= _MOST_HALF else _EIGHT
    head = _HEAD.pack(
        VERSION, code, len(name), len(message.ids), size, batch.sequence, frame.index, frame.time,
        *frame.size, *frame.roi_origin,
    )  # fmt: skip
    rows = np.empty(len(message.ids), _TRACK)
    rows["id"], rows["box"], rows["score"] = message.ids, message.xyxy, message.scores
    return b"".join((head, name, rows.tobytes(), np.packbits(known).tobytes(), _pack(message.embeddings[known], code)))


def decode(data: bytes | memoryview, *, zero: float | None = None) -> tuple[TrackletBatch, int]:
    """A batch from the front of `data`, and how many bytes it took.

    Args:
        data: what `encode` made.
        zero: seconds since 1970 at the run's time 0, for the frame's `epoch`.

    Raises:
        InputError: the bytes are of another version or cut off.
    """
    part, used = _read(data, 0, zero)
    return _whole([part])[0], used


def decode_all(data: bytes | memoryview) -> list[TrackletBatch]:
    """All batches of one piece of bytes; their embeddings are unpacked together.

    Raises:
        InputError: as `decode`.
    """
    parts, at = [], 0
    while at < len(data):
        part, at = _read(data, at, None)
        parts.append(part)
    return _whole(parts)


class _Part(NamedTuple):
    """A batch whose embeddings are still packed.

    Attributes:
        sequence, frame: as of the batch; rows: its tracks, N x `_TRACK` as bytes.
        known: (N,) which tracks have an embedding; packed: (K, ...) those of them.
        scale: (K,) of the 8 bits; None for other forms.
        size: numbers in an embedding.
    """

    sequence: int
    frame: FrameInfo
    rows: NDArray[np.uint8]
    known: NDArray[np.bool_]
    packed: NDArray[Any]
    scale: Floats | None
    size: int


def _read(data: bytes | memoryview, at: int, zero: float | None) -> tuple[_Part, int]:
    """The batch that begins at `at`, and where it ends."""
    try:
        version, code, letters, count, size, sequence, index, time, *sides = _HEAD.unpack_from(data, at)
        if version != VERSION or code not in _TYPES:
            raise InputError(f"a message of version {version} reached a program that speaks version {VERSION}")
        at += _HEAD.size
        name = bytes(data[at : at + letters]).decode()
        at += letters
        rows = np.frombuffer(data, np.uint8, count * _TRACK.itemsize, at)
        at += rows.nbytes
        bits = (count + 7) // 8
        known = np.unpackbits(np.frombuffer(data, np.uint8, bits, at), count=count).view(bool)
        at += bits
        number = int(np.count_nonzero(known))
        scale = None
        if code == _EIGHT:
            scale = np.frombuffer(data, "<f4", number, at)
            at += scale.nbytes
        packed = np.frombuffer(data, _TYPES[code], number * size, at).reshape(number, size)
        at += packed.nbytes
    except (struct.error, ValueError) as error:
        raise InputError(f"a message of a camera is cut off or damaged ({error})") from None
    epoch = None if zero is None else zero + time
    frame = FrameInfo(name, index, time, (sides[0], sides[1]), (sides[2], sides[3]), epoch)
    return _Part(sequence, frame, rows, known, packed, scale, size), at


def _whole(parts: Sequence[_Part]) -> list[TrackletBatch]:
    """Batches with unpacked embeddings; those of one form and size are unpacked together."""
    out: dict[int, TrackletBatch] = {}
    kinds = [(part.packed.dtype, part.size) for part in parts]
    for kind in set(kinds):
        places = [place for place, one in enumerate(kinds) if one == kind]
        same = [parts[place] for place in places]
        rows = np.concatenate([part.rows for part in same]).view(_TRACK)
        known = np.concatenate([part.known for part in same])
        vectors = np.full((len(rows), kind[1]), np.nan, np.float32)
        vectors[known] = _unpacked(same)
        ids, boxes, scores = rows["id"].astype(np.int64), rows["box"].copy(), rows["score"].copy()
        at = 0
        for place, part in zip(places, same, strict=True):
            own = slice(at, at := at + len(part.known))
            message = TrackletMessage(part.frame, ids[own], boxes[own], scores[own], vectors[own])
            out[place] = TrackletBatch(part.sequence, message)
    return [out[place] for place in range(len(parts))]


def _unpacked(parts: Sequence[_Part]) -> Floats:
    """(K, size) the embeddings of batches of one form and size, one after the other."""
    every = np.concatenate([part.packed for part in parts]).astype(np.float32)
    scales = [part.scale for part in parts if part.scale is not None]
    if scales:
        every *= np.concatenate(scales)[:, None]
        every /= np.maximum(np.linalg.norm(every, axis=1, keepdims=True), 1e-12)
    return every


def _pack(vectors: Floats, code: int) -> bytes:
    if code == _EXACT:
        return bytes(vectors.astype("<f4").tobytes())
    if code == _HALF:
        return bytes(vectors.astype("<f2").tobytes())
    scale = np.abs(vectors).max(axis=1, initial=1e-12) / 127.0
    return bytes(scale.astype("<f4").tobytes() + np.rint(vectors / scale[:, None]).astype(np.int8).tobytes())
