"""A live run that goes on in the folder of an earlier start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.world import Eyes, Looks, Walk

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.engine import Pipeline
from relaytrack.pipeline.errors import ConfigError, OutputError, SourceError
from relaytrack.pipeline.results.folder import check_output
from relaytrack.pipeline.results.text_file import TextFile


def start(out: Path, frames: int = 12, **output: Any) -> Pipeline:
    settings = {"dir": str(out), "resume": True, **output}
    config = Config.model_validate({"output": settings})
    source = Walk("a", frames, live=True, fps=20)
    run = Pipeline(config, sources=[source], detector=Eyes(), embedder=Looks())
    run.run()
    return run


def people(out: Path) -> dict[int, list[int]]:
    content = json.loads((out / "identities.json").read_text())
    return {entry["id"]: [track["track"] for track in entry["tracks"]] for entry in content["identities"]}


def test_a_second_start_goes_on_with_everything(tmp_path: Path) -> None:
    """Fault: a live run could not be started again in its folder."""
    out = tmp_path / "o"
    start(out)
    first = json.loads((out / "run.json").read_text())
    before = {path: path.read_bytes() for kind in ("video", "tracks") for path in (out / kind).glob("a/*")}
    events = (out / "events.jsonl").read_bytes()
    assert list(people(out)) == [1]
    start(out)
    second = json.loads((out / "run.json").read_text())
    assert list(people(out)) == [1], "the same person"
    assert people(out)[1] == [1, 1001]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len(list((out / "tracks" / "a").iterdir())) == 2
    assert len(list((out / "video" / "a").iterdir())) == 2
    written = (out / "events.jsonl").read_bytes()
    assert written.startswith(events)
    kinds = [json.loads(line)["event"] for line in written.splitlines()]
    assert kinds.count("identity") == 1
    assert kinds.count("enter") == 2
    assert len(second["starts"]) == 2
    assert second["starts"][0] == first["started"]
    assert second["clock_zero"] == first["clock_zero"]
    spans = json.loads((out / "identities.json").read_text())["identities"][0]["tracks"]
    assert spans[0]["last"] < spans[1]["first"]


def test_after_a_kill_only_what_was_written_is_needed(tmp_path: Path) -> None:
    out = tmp_path / "o"
    start(out)
    for name in ("identities.json", "embeddings.npz", "report.html"):  # written at intervals or at the end
        (out / name).unlink(missing_ok=True)
    with open(out / "events.jsonl", "ab") as file:
        file.write(b'{"event": "ent')
    start(out)
    assert people(out) == {1: [1001]}
    assert all(json.loads(line) for line in (out / "events.jsonl").read_text().splitlines())


def test_damaged_embeddings_do_not_hold_a_live_run_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault: it was refused for ever, and the list of people was said to be unreadable."""
    out = tmp_path / "o"
    start(out)
    (out / "embeddings.npz").write_bytes(b"PK\x03\x04cut")
    start(out)
    assert people(out) == {1: [1, 1001]}, "the same person, as the store knows"
    told = [line for line in caplog.messages if "embeddings.npz" in line]
    assert len(told) == 1
    assert "the run goes on without the looks of earlier tracks" in told[0]


def test_a_run_that_was_started_without_resume_can_go_on(tmp_path: Path) -> None:
    """Fault: identities were kept only where the first start had --resume, too."""
    out = tmp_path / "o"
    start(out, resume=False)
    (out / "identities.json").unlink()  # as after a kill in its first seconds
    start(out)
    assert people(out) == {1: [1001]}, "the same person"
    start(out, resume=False, overwrite=True)
    assert people(out) == {1: [1]}, "a run that replaces another knows nobody"
    start(out)
    assert people(out) == {1: [1, 1001]}


@pytest.mark.parametrize("there", [False, True])
def test_a_run_that_does_not_begin_leaves_its_folder_free(tmp_path: Path, there: bool) -> None:
    out = tmp_path / "o"
    if there:
        out.mkdir()
    camera = {"name": "a", "url": "webcam:none"}
    config = Config.model_validate({"output": {"dir": str(out)}, "cameras": [camera]})
    with pytest.raises(SourceError, match="not found"):
        Pipeline(config, detector=Eyes(), embedder=Looks()).run()
    assert out.exists() == there
    assert not there or not list(out.iterdir())


def test_only_a_live_run_keeps_identities(tmp_path: Path) -> None:
    config = Config.model_validate({"output": {"dir": str(tmp_path / "f"), "video": False}})
    Pipeline(config, sources=[Walk("a", 12)], detector=Eyes(), embedder=Looks()).run()
    assert not (tmp_path / "f" / "identities.db").exists()
    start(tmp_path / "named", resume=False, store=str(tmp_path / "people.db"))
    assert not (tmp_path / "named" / "identities.db").exists()
    start(tmp_path / "named", store=str(tmp_path / "people.db"))
    assert people(tmp_path / "named") == {1: [1, 1001]}


def test_what_cannot_go_on_is_refused_in_one_line(tmp_path: Path) -> None:
    out = tmp_path / "o"
    start(out)
    kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != "identities.db"}
    (out / "identities.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(OutputError, match=r"identities were not kept .*identities\.db is missing"):
        start(out)
    assert all(path.read_bytes() == content for path, content in kept.items())
    config = Config.model_validate({"output": {"dir": str(tmp_path / "f"), "resume": True}})
    with pytest.raises(ConfigError, match="only a live run can be resumed"):
        Pipeline(config, sources=[Walk("a")], detector=Eyes(), embedder=Looks()).run()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        check_output(tmp_path / "other", resume=True)
    with pytest.raises(ValueError, match="cannot be used together"):
        Config.model_validate({"output": {"resume": True, "overwrite": True}})


def test_only_a_live_run_begins_its_files_anew(tmp_path: Path) -> None:
    """Fault: after a failed write a run over files began the same video again, and lost what it held."""
    output = {"dir": str(tmp_path / "o"), "on_error": "resume"}
    run = Pipeline(Config.model_validate({"output": output}), sources=[Walk("a")], detector=Eyes(), embedder=Looks())
    with pytest.raises(ConfigError, match="resume works in live runs only; this one reads files"):
        run.run()
    assert not (tmp_path / "o").exists()
    start(tmp_path / "o", on_error="resume")
    assert list((tmp_path / "o" / "video" / "a").iterdir())


@pytest.mark.parametrize(
    ("there", "kept"),
    [(b"", b""), (b"a\nb\n", b"a\nb\n"), (b"a\nhalf", b"a\n"), (b"half", b""), (b"a\n" + b"x" * 200_000, b"a\n")],
)
def test_appending_begins_behind_the_last_whole_line(tmp_path: Path, there: bytes, kept: bytes) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(there)
    file = TextFile(path, append=True)
    file.write(b"new\n")
    file.close()
    assert path.read_bytes() == kept + b"new\n"
    assert file.size == len(kept) + 4
