"""Old names of keys: understood, with a warning that names the new one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from relaytrack.pipeline import Config, ConfigError, load_config
from relaytrack.pipeline.config.renamed import RENAMED, RenamedKeyWarning

OLD = {"crop": [0, 0, 8, 8], "part_tracks": False, "blur": "heads", "lanes": 3}


@pytest.mark.parametrize(
    ("section", "old", "new"), [(section, old, new) for section, names in RENAMED.items() for old, new in names.items()]
)
def test_every_old_key_sets_the_new_one(section: str, old: str, new: str) -> None:
    value = OLD.get(old, 0.25)
    entry = {old: value} if section != "cameras" else [{"url": "a.mp4", old: value}]
    with pytest.warns(RenamedKeyWarning, match=rf"{old} is now called {section}\S*\.{new};"):
        config = load_config(data={section: entry})
    here = getattr(config, section)
    found = getattr(here[0] if section == "cameras" else here, new)
    assert (list(found) if isinstance(found, tuple) else found) == value
    assert found != getattr(Config(), section, None)


def test_the_old_key_works_from_the_command_line_and_in_kept_runs() -> None:
    with pytest.warns(RenamedKeyWarning, match=r"output\.blur is now called output\.anonymise"):
        assert load_config(overrides={"output.blur": "persons"}).output.anonymise == "persons"
    with pytest.warns(RenamedKeyWarning):
        kept = Config.model_validate({"cameras": [{"url": "a.mp4"}, {"url": "b.mp4", "crop": [1, 2, 30, 40]}]})
    assert kept.cameras[1].roi == (1, 2, 30, 40)


def test_a_section_by_its_old_name() -> None:
    with pytest.warns(RenamedKeyWarning, match=r"^batch is now called sync;"):
        assert load_config(overrides={"batch.max_wait": 0.3}).sync.max_wait == 0.3
    with pytest.raises(ConfigError, match="batch is the old name of sync: give only the new one"):
        load_config(data={"batch": {}, "sync": {}})


@pytest.mark.parametrize("key", ["score_noise", "recover_growth", "refind_growth"])
def test_a_removed_key_is_ignored_with_a_warning(key: str) -> None:
    with pytest.warns(RenamedKeyWarning, match=rf"tracker\.{key} is ignored"):
        config = load_config(data={"tracker": {key: 0.5, "max_age": 3.0}})
    assert config.tracker.max_age == 3.0


def test_both_names_of_one_key_are_refused() -> None:
    data = {"tracker": {"high_score": 0.5, "track_high_thresh": 0.5}}
    with pytest.raises(ConfigError, match=r"tracker\.high_score is the old name of tracker\.track_high_thresh"):
        load_config(data=data)


def test_the_mapping_that_is_given_stays_as_it_is() -> None:
    data = {"tracker": {"refind_radius": 0.2}}
    with pytest.warns(RenamedKeyWarning):
        load_config(data=data)
    assert data == {"tracker": {"refind_radius": 0.2}}


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    settings = tmp_path / "old.yaml"
    settings.write_text("tracker: {high_score: 0.5}\ncameras: [missing.mp4]\n")
    command = [sys.executable, "-m", "relaytrack.pipeline.cli.main", "run", str(settings), "--out", str(tmp_path / "o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    first = done.stderr.splitlines()[0]
    assert first == (
        "relaytrack: warning: tracker.high_score is now called tracker.track_high_thresh; "
        "the old name ends with the next release"
    )
    assert "FutureWarning" not in done.stderr
