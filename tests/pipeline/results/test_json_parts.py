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


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_long_list_within_an_entry_is_told_in_parts_too(count: int) -> None:
    entries = [
        {"id": k, "cameras": ["a"], "tracks": [{"spans": [[0.5, 1.25]], "former": []}] * k} for k in range(count)
    ]
    lazy = ({**entry, "tracks": iter(entry["tracks"])} for entry in entries)  # type: ignore[call-overload]
    parts = list(json_in_parts(HEAD, "people", lazy, "tracks"))
    assert len(parts) == 2 + 2 * count + sum(range(count))
    assert b"".join(parts).decode() == json.dumps({**HEAD, "people": entries}, indent=1) + "\n"
