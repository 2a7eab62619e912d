"""A store of identities and the network that describes people belong together."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from relaytrack.pipeline.cluster.site import open_desk
from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.making import create_identity_service
from relaytrack.pipeline.identity.network_mark import same_network
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
