"""Identities older than the horizon: bounded, and queried by one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relaytrack.trackers.identities.growing import enlarged
from relaytrack.trackers.identities.types import Floats, Ints

BLOCK = 8_192


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pairs of a query and a known identity that are alike enough to be looked at.

    Attributes:
        query: (K,) row of the query.
        identity: (K,) the identity.
        similarity: (K,) mean cosine similarity of the query to the identity's kept tracks.
    """

    query: Ints
    identity: Ints
    similarity: Floats


class Gallery:
    """A few centred embeddings per identity. A query is compared with their normalised mean first.

    The embeddings of all identities lie in one pool, so that an identity of one track takes the memory of one.

    Attributes:
        count: number of identities.
    """

    def __init__(self, tracks: int, most: int) -> None:
        self._tracks, self._most = tracks, most
        self.count = 0
        self._row: dict[int, int] = {}
        self._identity = np.zeros(0, np.int64)
        self._mean = np.zeros((0, 0), np.float32)
        self._pool = np.zeros((1, 0), np.float32)  # (P, D) embeddings kept
        self._free = [0]  # rows of the pool
        self._places = np.zeros((0, tracks), np.int32)  # (I, tracks) where in the pool an identity's are
        self._held = np.zeros(0, np.int64)
        self._seen = np.zeros(0)

    def __contains__(self, identity: int) -> bool:
        return identity in self._row

    def __len__(self) -> int:
        return self.count

    @property
    def identities(self) -> Ints:
        """(count,) the known identities. Their order has no meaning but is reproducible."""
        return self._identity[: self.count].copy()

    def seen(self, identity: int) -> float:
        """When the identity was last seen, seconds."""
        return float(self._seen[self._row[identity]])

    def kept(self, identity: int) -> Floats:
        """(K, D) the embeddings kept of an identity, L2-normalised."""
        row = self._row[identity]
        return self._pool[self._places[row, : self._held[row]]]

    def held(self, identities: Ints) -> Ints:
        """(K,) how many embeddings are kept of each of these identities."""
        return self._held[[self._row[identity] for identity in identities.tolist()]]

    def add(self, identity: int, features: Floats, time: float) -> None:
        """Add tracks to an identity. Beyond the limit the kept track that is most like another one is dropped.

        Args:
            identity: old or new.
            features: (K, D) L2-normalised.
            time: when it was seen, seconds.
        """
        size = features.shape[1]
        if self._mean.shape[1] != size:
            self._reshape(size)
        row = self._row.get(identity)
        if row is None:
            row = self._open(identity)
        for feature in features:
            held = int(self._held[row])
            if held < self._tracks:
                self._places[row, held] = self._keep(feature)
                self._held[row] += 1
                continue
            everything = np.vstack([self._pool[self._places[row]], feature[None]])
            alike = everything @ everything.T
            np.fill_diagonal(alike, -2)
            spare = int(alike.max(axis=1).argmax())
            if spare < held:
                self._pool[self._places[row, spare]] = feature
        mean = self._pool[self._places[row, : self._held[row]]].sum(axis=0)
        self._mean[row] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        self._seen[row] = max(self._seen[row], time)

    def forget(self, identity: int) -> None:
        """Remove an identity; its row is taken by the last one."""
        row = self._row.pop(identity)
        last = self.count - 1
        gone = self._places[row, : self._held[row]].tolist()
        self._pool[gone] = 0
        self._free += reversed(gone)
        if row != last:
            for values in (self._identity, self._mean, self._places, self._held, self._seen):
                values[row] = values[last]
            self._row[int(self._identity[row])] = row
        self._mean[last] = 0
        self.count = last

    def age(self, before: float) -> list[int]:
        """Forget identities not seen since `before`, and the longest unseen beyond the limit; returns them."""
        seen, names = self._seen[: self.count], self._identity[: self.count]
        gone = seen < before
        old: list[int] = names[gone].tolist()
        surplus = self.count - len(old) - self._most
        if surplus > 0:
            order = np.lexsort((names, seen))
            old += names[order[~gone[order]][:surplus]].tolist()
        for identity in old:
            self.forget(identity)
        return old

    def query(self, features: Floats, least: float, most: int = 8) -> Candidates:
        """The identities whose mean is at least `least` alike, at most about `most` per query.

        Args:
            features: (N, D) L2-normalised queries.
            least: cosine similarity to an identity's mean.
            most: candidates kept per query.
        """
        queries, rows, values = [], [], []
        for begin in range(0, self.count, BLOCK):
            alike = features @ self._mean[begin : min(begin + BLOCK, self.count)].T
            flat = np.flatnonzero(alike.reshape(-1) > least)
            query, row = np.divmod(flat, alike.shape[1])
            queries.append(query)
            rows.append(row + begin)
            values.append(alike.reshape(-1)[flat])
        if not queries:
            return Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        query, row, value = np.concatenate(queries), np.concatenate(rows), np.concatenate(values)
        order = np.lexsort((self._identity[row], -value, query))
        query, row = query[order], row[order]
        place = np.arange(len(query)) - np.searchsorted(query, query)
        query, row = query[place < most], row[place < most]
        held = np.arange(self._tracks)[None] < self._held[row][:, None]
        each = np.einsum("ntd,nd->nt", self._pool[np.where(held, self._places[row], 0)], features[query])
        mean = (each * held).sum(axis=1) / np.maximum(held.sum(axis=1), 1)
        return Candidates(query.astype(np.int64), self._identity[row], mean.astype(np.float32))

    def reserve(self, more: int) -> None:
        """Make room for that many more identities at once."""
        if self.count + more > len(self._identity):
            self._resize(self.count + more)

    def _open(self, identity: int) -> int:
        if self.count == len(self._identity):
            self._resize(self.count + max(64, self.count // 4))
        row = self.count
        self.count += 1
        self._row[identity] = row
        self._identity[row], self._held[row], self._seen[row] = identity, 0, -np.inf
        return row

    def _keep(self, feature: Floats) -> int:
        """Lay an embedding into the pool; its row."""
        if not self._free:
            old, new = len(self._pool), len(self._pool) + max(64, len(self._pool) // 4)
            self._pool = enlarged(self._pool, new)
            self._free.extend(range(new - 1, old - 1, -1))
        place = self._free.pop()
        self._pool[place] = feature
        return place

    def _resize(self, size: int) -> None:
        for name in ("_identity", "_mean", "_places", "_held", "_seen"):
            setattr(self, name, enlarged(getattr(self, name)[: self.count], size))

    def _reshape(self, size: int) -> None:
        self._mean = np.zeros((len(self._identity), size), np.float32)
        self._pool = np.zeros((len(self._pool), size), np.float32)
