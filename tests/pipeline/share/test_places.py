"""Places that all machines reach: the same behaviour of a folder, a store in memory and S3."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.dates import stamp
from relaytrack.pipeline.errors import ConfigError, OutputError
from relaytrack.pipeline.results.folder import MARKER
from relaytrack.pipeline.share.places import SharedPlace, open_place, within
from relaytrack.pipeline.share.starting import begin_share, check_share, check_share_here


def site(share: str, **more: object) -> Config:
    changed = {f"cluster.{key}" if "." not in key else key: value for key, value in more.items()}
    return load_config(data={"cluster": {"share": share}}, overrides=changed)


def test_files_are_put_found_fetched_and_removed(place: SharedPlace, tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    assert place.names() == []
    for text in ("old", "new"):
        file.write_text(text)
        place.put("crops/gate/1-0.jpg", file)
    place.put("run.json", file)
    assert place.names() == ["crops/gate/1-0.jpg", "run.json"]
    assert place.exists("run.json")
    assert not place.exists("crops/gate/2-0.jpg")
    place.fetch("crops/gate/1-0.jpg", tmp_path / "back/1.jpg")
    assert (tmp_path / "back/1.jpg").read_text() == "new"
    assert (tmp_path / "back/1.jpg").stat().st_mode & 0o077 == 0, "for their owner only"
    for _ in range(2):
        place.remove("crops/gate/1-0.jpg")
    assert place.names() == ["run.json"]
    with pytest.raises(OutputError, match="cannot read"):
        place.fetch("nothing", tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        place.put("b.txt", tmp_path / "b.txt")


def test_a_run_gets_a_part_of_its_own_and_every_machine_sees_it(address: str) -> None:
    config = site(address)
    check_share(config)
    assert open_place(address).names() == [], "a look leaves nothing"
    now = time.time()
    first, second = (begin_share(config, now=now) for _ in range(2))
    shares = [one.cluster.share for one in (first, second)]
    assert shares == [f"{address}/{stamp(now)}", f"{address}/{stamp(now)}_2"]
    check_share_here(first)
    with pytest.raises(OutputError, match=r"not the same place here as where the run was started"):
        check_share_here(config)
    assert open_place(str(shares[0])).names() == [MARKER]


def test_what_cannot_be_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(ConfigError, match=r"cluster\.share: fsspec knows no protocol 'abc'"):
        check_share(site("abc://bucket/site"))
    with pytest.raises(ConfigError, match=r"cluster\.collect must be crops or all, not text"):
        check_share(site(str(tmp_path), collect="text"))
    with pytest.raises(ConfigError, match=r"output\.dir is null"):
        check_share(site(str(tmp_path), **{"output.dir": None}))
    with pytest.raises(ConfigError, match=r"write the password as \$\{NAME\}"):
        site("sftp://ada:secret@host/site")
    with pytest.raises(ConfigError, match="environment variable NOT_SET is not set"):
        check_share(site("sftp://ada:${NOT_SET}@host/site"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file is a file, not a folder"):
        check_share(site(str(tmp_path / "file")))
    from fsspec.registry import known_implementations

    missing = {"class": "no_such_fs.Files", "err": "Please install no_such_fs to access it"}
    monkeypatch.setitem(known_implementations, "odd", missing)
    with pytest.raises(ConfigError, match="odd:// needs no_such_fs: pip install no_such_fs, on every machine"):
        check_share(site("odd://bucket/site"))
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ConfigError, match=r"an URL needs fsspec: pip install 'relaytrack\[cluster\]'"):
        check_share(site("memory://site"))


@pytest.mark.needs("s3")
def test_a_bucket_that_is_not_there_is_told_and_not_made(s3_bucket: str) -> None:
    with pytest.raises(OutputError, match=r"cluster.share: cannot write .*: s3://mistyped/site"):
        check_share(site("s3://mistyped/site"))
    import s3fs

    assert s3fs.S3FileSystem().ls("") == [s3_bucket.removeprefix("s3://")]


def test_a_place_that_never_answers_is_given_up() -> None:
    never = threading.Event()
    with pytest.raises(OutputError, match=r"cluster.share: no answer within 0.2 s: s3://x"):
        within(0.2, "s3://x", never.wait)
    never.set()
