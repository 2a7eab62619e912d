"""A store of identities and the network that describes people belong together."""

from types import SimpleNamespace

import numpy as np
import pytest

from relaytrack.pipeline.config.schema import Config
from relaytrack.pipeline.errors import ConfigError
from relaytrack.pipeline.identity.making import create_identity_service
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
