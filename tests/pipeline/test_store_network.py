"""A store of identities and the network that describes people belong together."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import support.sites
import torch
from support.steps import Shot, step_of

from relaytrack.pipeline.cli.main import main
from relaytrack.pipeline.cluster.site import open_desk
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError, InputError
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.identity.network_mark import same_network
from relaytrack.pipeline.postprocess.search import search
from relaytrack.pipeline.records import Frame
from relaytrack.pipeline.replay.detection_cache import SeenFrame, collect, need_one_network, read_cache, write_cache
from relaytrack.pipeline.results.correction import Correction, correct_embeddings
from relaytrack.pipeline.results.embeddings import EMBEDDINGS, write_embeddings
from relaytrack.pipeline.server.people import People
from relaytrack.pipeline.server.store import SiteStore
from relaytrack.pipeline.sinks.identities import IdentitiesSink
from relaytrack.reid import Embedder
from relaytrack.reid.checkpoint import load_model, save_model
from relaytrack.reid.installed import default_weights
from relaytrack.trackers import IdentityStore
from relaytrack.trackers.identities.store_rows import StoredTrack


def test_a_store_made_by_another_network_is_refused_before_the_run(tmp_path):
    path = tmp_path / "people.db"
    with IdentityStore(path) as store:
        store.begin()
        store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 5, np.eye(1, 512)[0])], 2)
    config = Config(output={"store": str(path)})
    with pytest.raises(ConfigError, match=r"people\.db: its people .* 512 numbers each.* 256: ") as caught:
        create_identity_service(config, SimpleNamespace(dim=256))
    assert "\n" not in str(caught.value)
    create_identity_service(config, SimpleNamespace(dim=512)).close()


def mark(seed: int, length: int = 512) -> bytes:
    vectors = np.random.default_rng(seed).normal(size=(4, length))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("<f2").tobytes()


def stored(path: Path, network: bytes | None) -> Path:
    """A store with one person."""
    with IdentityStore(path) as store:
        store.begin()
        store.write([StoredTrack("a", 1, 1, 0.0, 1.0, 5, np.eye(1, 512)[0])], 2)
        if network is not None:
            store.keep_network(network)
    return path


def test_a_store_of_other_weights_of_the_same_length_is_refused(tmp_path):
    """Fault: people were compared with what another network had said of others, and nobody noticed."""
    path = stored(tmp_path / "people.db", mark(1))
    config = Config(output={"store": str(path)})
    with pytest.raises(ConfigError, match=r"people\.db: .* described by other weights .* another file") as caught:
        create_identity_service(config, SimpleNamespace(dim=512, fingerprint=mark(2)))
    assert "\n" not in str(caught.value)
    create_identity_service(config, SimpleNamespace(dim=512, fingerprint=mark(1))).close()
    create_identity_service(config, SimpleNamespace(dim=512)).close()  # of another package: nothing is known
    with IdentityStore(path) as store:
        assert store.network() == mark(1)


def test_a_store_of_before_goes_on_and_is_marked_at_its_first_use(tmp_path):
    path = stored(tmp_path / "people.db", None)
    config = Config(output={"store": str(path)})
    create_identity_service(config, SimpleNamespace(dim=512, fingerprint=mark(2))).close()
    with pytest.raises(ConfigError, match="other weights"):
        create_identity_service(config, SimpleNamespace(dim=512, fingerprint=mark(1)))


def test_an_empty_store_takes_any_network(tmp_path):
    path = stored(tmp_path / "people.db", mark(1))
    with IdentityStore(path) as store:
        store.forget([1])
    config = Config(output={"store": str(path)})
    create_identity_service(config, SimpleNamespace(dim=512, fingerprint=mark(2))).close()
    with IdentityStore(path) as store:
        assert store.network() == mark(2)


def test_the_desk_of_a_cluster_refuses_it_too(tmp_path):
    path = stored(tmp_path / "people.db", mark(1))
    config = Config(output={"store": str(path)}, cluster={"dir": str(tmp_path / "c")})
    with pytest.raises(ConfigError, match="other weights"):
        open_desk(config, None, 0.0, mark(2))
    open_desk(config, None, 0.0, mark(1)).close()
    with pytest.raises(ConfigError, match=r"identities-state\.db: its people are described by other weights"):
        open_desk(config, None, 0.0, mark(2))


def other_weights(path: Path, spread: float) -> Path:
    torch.manual_seed(0)
    model = load_model(default_weights())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * parameter.std(correction=0) * spread)
    return save_model(path, model)


def test_a_network_is_known_again_in_every_form_and_others_are_not(tmp_path):
    mine = Embedder(device="cpu", precision="fp32")
    for same in (
        Embedder(device="cpu", precision="int8"),
        Embedder(device="cpu", flip=True),
        Embedder(other_weights(tmp_path / "almost.safetensors", 0.001), device="cpu"),
    ):
        assert same_network(mine.fingerprint, same.fingerprint)
    other = Embedder(other_weights(tmp_path / "other.safetensors", 0.2), device="cpu")
    assert other.dim == mine.dim
    assert not same_network(mine.fingerprint, other.fingerprint)
    assert not same_network(mine.fingerprint, Embedder("retail-0286", device="cpu").fingerprint)


def test_the_command_ends_with_one_line(tmp_path, samples):
    path = stored(tmp_path / "people.db", Embedder(device="cpu").fingerprint)
    other = other_weights(tmp_path / "other.safetensors", 0.2)
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "run", "--source", str(samples / "west.mp4")]
    command += ["--out", str(tmp_path / "o"), "--set", f"output.store={path}", "--set", f"embedder.weights={other}"]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2, done.stderr
    told = [line for line in done.stderr.splitlines() if "other weights" in line]
    assert len(told) == 1
    assert "people.db" in told[0]
    assert "Traceback" not in done.stderr


def kept(folder: Path, network: bytes | None) -> Path:
    """The embeddings of a run with one person, as its sink leaves them."""
    sink = IdentitiesSink(folder, ["a"], network=network)
    boxes, vectors = np.array([[10, 10, 40, 90]], np.float32), np.eye(1, 512, dtype=np.float32)
    frame = Frame("a", 1, 1.0, np.full((100, 100, 3), 90, np.uint8))
    one = np.ones(1, np.int64)
    sink.write(step_of(Shot.of(frame, one, one, boxes, np.full(1, 0.9, np.float32), embeddings=vectors)))
    sink.close()
    return folder


class OneLook(SimpleNamespace):
    """A network that sees the same in every picture."""

    def __call__(self, pictures):
        return np.eye(1, 512, dtype=np.float32)


def test_search_with_other_weights_of_the_same_length_is_refused(tmp_path):
    """Fault: pictures were compared with what another network had made of the run's people."""
    folder, picture = kept(tmp_path / "run", mark(1)), np.full((50, 20, 3), 90, np.uint8)
    assert len(search(folder, picture, OneLook(fingerprint=mark(1)))) == 1
    assert len(search(folder, picture, OneLook())) == 1  # of another package: nothing is known
    with pytest.raises(InputError, match=r"embeddings\.npz: .* made by other weights"):
        search(folder, picture, OneLook(fingerprint=mark(2)))
    correct_embeddings(folder, Correction("forget", 9, 0, {("b", 9): (0.0, 1.0)}))
    write_embeddings(folder / EMBEDDINGS, [("a", 1), ("b", 1)], np.eye(2, 512), mark(1))
    correct_embeddings(folder, Correction("forget", 1, 0, {("b", 1): (0.0, 1.0)}))
    with pytest.raises(InputError, match="made by other weights"):
        search(folder, picture, OneLook(fingerprint=mark(2)))
    assert len(search(kept(tmp_path / "old", None), picture, OneLook(fingerprint=mark(2)))) == 1  # a run of before


def test_the_command_search_names_other_weights(tmp_path, samples, capsys):
    out = tmp_path / "o"
    words = ["run", "--source", str(samples / "west.mp4"), "--out", str(out), "--no-video", "--fps", "2"]
    assert main([*words, "--max-seconds", "6", "--device", "cpu"]) == 0
    other = other_weights(tmp_path / "other.safetensors", 0.2)
    picture = str(next((out / "crops").glob("*.jpg")))
    capsys.readouterr()
    assert main(["search", "--run", str(out), "--image", picture]) == 0
    assert main(["search", "--run", str(out), "--image", picture, "--weights", str(other)]) == 2
    assert "made by other weights than these" in capsys.readouterr().err


def test_caches_know_their_network_and_do_not_mix(tmp_path, capsys):
    """Fault: `bench soak` compared people of one cache with those of another network's."""
    paths = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        frames = [SeenFrame(n, n / 10, np.array([[9, 9, 40, 90]]), np.ones(1), np.eye(1, 512)) for n in (1, 2)]
        paths.append(str(tmp_path / f"{name}.npz"))
        write_cache(paths[-1], collect(frames, mark(seed)))
    assert [read_cache(path).network for path in paths] == [mark(1), mark(1), mark(2)]
    need_one_network([(path, read_cache(path)) for path in paths[:2]])
    words = ["bench", "soak", "--recorded", "10", "--out", str(tmp_path / "o")]
    assert main([*words, *(word for path in paths for word in ("--caches", path))]) == 2
    assert f"{paths[2]}: its embeddings were made by other weights than those of {paths[0]}" in capsys.readouterr().err


def test_a_site_finds_by_looks_what_the_same_network_described(tmp_path, caplog):
    """Fault: sightings of a site were found by what another network had made of them."""
    store = SiteStore(tmp_path / "site.sqlite")
    people = People(store, run=1)
    with store.writing() as database:
        for number, first in enumerate((5.0, 12.0, 25.0), 1):
            looks = np.eye(1, 512)[0].astype("<f2").tobytes()
            values = (number, 1, "a", number, number, first, first + 1, 5, 0.5, looks)
            database.execute(
                "INSERT INTO sightings (id, run, camera, track, identity, first, last, frames, quality, embedding) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def found() -> list[int]:
        return sorted(one.identity for one in people.search(np.eye(1, 512, dtype=np.float32)[0]))

    assert found() == [1, 2, 3]
    people.networks.use(mark(1))  # what was there is the first network's
    assert found() == [1, 2, 3]
    people.networks.use(mark(2), 10.0)  # from 10 s on
    assert found() == [2, 3]
    assert "other weights describe people now" in caplog.text
    people.networks.use(mark(2), 15.0)
    people.networks.use(mark(1), 20.0)  # from 20 s on
    assert found() == [1, 3]
    assert people.looks(2) is None


def test_the_command_cache_notes_the_network(tmp_path, make_video):
    clip, boxes = make_video(frames=4), tmp_path / "det.txt"
    boxes.write_text("".join(f"{frame},-1,10,10,30,70,0.9\n" for frame in range(1, 5)))
    words = ["cache", "--video", str(clip), "--detections", str(boxes), "--out", str(tmp_path / "c.npz")]
    assert main([*words, "--device", "cpu"]) == 0
    found = read_cache(tmp_path / "c.npz")
    assert found.embeddings is not None
    assert found.network is not None
    assert same_network(found.network, Embedder(device="cpu").fingerprint)


def test_a_served_site_notes_its_network(tmp_path, monkeypatch):
    monkeypatch.setattr(support.sites.Looks, "fingerprint", mark(1), raising=False)
    with support.sites.served(tmp_path):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with closing(sqlite3.connect(tmp_path / "site" / "site.sqlite")) as store:
                noted = store.execute("SELECT mark FROM networks").fetchall()
            if noted:
                break
            time.sleep(0.1)
    assert [bytes(row[0]) for row in noted] == [mark(1)]
