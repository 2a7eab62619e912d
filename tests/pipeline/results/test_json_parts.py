"""JSON written in parts is the same text."""

from __future__ import annotations

import json

import pytest

from relaytrack.pipeline.results.json_parts import json_in_parts

HEAD = {"format": 1, "cameras": {"a b": {"frames": 3, "cuts": []}}}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_text_is_that_of_one_piece(count: int) -> None:
    entries = [{"id": k, "name": 'é "x"\n', "tracks": [{"spans": [[0.5, 1.25]], "former": []}]} for k in range(count)]
    parts = list(json_in_parts(HEAD, "people", entries))
    assert len(parts) == count + 2
    assert b"".join(parts).decode() == json.dumps({**HEAD, "people": entries}, indent=1) + "\n"
