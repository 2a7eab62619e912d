"""Settings changed in the page: written with comments kept, some at once, and two admins at once."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from relaytrack.pipeline.config.loading import load_config
from relaytrack.pipeline.identity.service import LocalIdentityService
from relaytrack.pipeline.records import Step
from relaytrack.pipeline.render.places import Places
from relaytrack.pipeline.server import reloading
from relaytrack.pipeline.server.reloading import reload_file
from relaytrack.pipeline.server.settings import take_up
from relaytrack.trackers import DeepSort, IdentityAssociator, TrackerInputError
from relaytrack.trackers.identities.joint import JointAssociator
from tests.support.sites import served, settled
from tests.support.world import wait_for


def test_settings_are_written_and_the_name_holds_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        known = {one["key"]: one for one in site.get("/api/v1/settings").json()["settings"]}
        assert known["events.dwell"]["value"] == 10.0
        assert (known["output.zones"]["kind"], known["output.anonymise"]["kind"]) == ("switch", "choice")
        put = site.http.put("/api/v1/config/server.name", json={"value": "Harbour", "before": "RelayTrack"})
        assert put.json()["holds"] == "at once"
        assert "Harbour" in site.get("/").text
        dwell = site.http.put("/api/v1/config/events.dwell", json={"value": 4.5, "before": 10.0})
        assert dwell.json()["holds"] == "at once"
        late = site.http.put("/api/v1/config/events.enabled", json={"value": False})
        assert late.json()["holds"] == "after the next start"
        known = {one["key"]: one for one in site.get("/api/v1/settings").json()["settings"]}
        assert (known["events.enabled"]["at_once"], known["events.dwell"]["at_once"]) == (False, True)
        assert (known["events.enabled"]["running"], known["events.dwell"]["running"]) == (True, 4.5)
        page = site.get("/system").text
        assert "waits for the next start" in page
        assert page.count("needs a restart") == 0, "what waits says so, all else holds at once"
        text = site.file.read_text()
        assert "# where people come in" in text
        assert yaml.safe_load(text)["events"]["dwell"] == 4.5
        again = site.http.put("/api/v1/config/events.dwell", json={"value": 7, "before": 10.0})
        assert (again.status_code, again.json()["field"]) == (409, "before")
        assert site.http.put("/api/v1/config/events.dwell", json={"value": -1}).json()["field"] == "value"
        for key in ("server.host", "output.dir", "sinks", "nothing"):
            assert site.http.put(f"/api/v1/config/{key}", json={"value": "x"}).status_code == 422


def test_what_is_changed_holds_while_the_engine_runs(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        settled(site)
        run = site.site.pipeline._run
        assert run is not None
        parts, person = run.parts, site.get("/api/v1/people").json()["people"][0]["identity"]
        for key, value in (
            ("tracker.new_track_thresh", 0.7),
            ("identities.margin", 3.5),
            ("events.leave_after", 1.5),
            ("output.trail", 0.0),
            ("output.anonymise", "persons"),
            ("server.retain_days", 36_500.0),
            ("server.session_hours", 1.0),
        ):
            answer = site.http.put(f"/api/v1/config/{key}", json={"value": value})
            assert answer.json()["holds"] == "at once", answer.text
        tracker = parts.multi.sessions["door"].tracker
        assert isinstance(tracker, DeepSort)
        assert tracker.params.new_track_thresh == 0.7
        assert tracker._association.params is tracker._tracks.params is tracker.params
        service = parts.own.corrections._service
        assert isinstance(service, LocalIdentityService)
        backend = service._associator._backend
        assert isinstance(backend, JointAssociator)
        assert backend._pairs.appearance.margin == 3.5
        assert backend._window.params.margin == 3.5
        assert site.site.people.retain == site.site.events.retain == 36_500 * 86_400
        assert site.site.accounts.session_seconds == 3600
        plain = pixels(site.get("/api/v1/cameras/door/snapshot.jpg?drawn=false").content)
        assert not ((plain[..., 0] > 235) & (plain[..., 1] < 90)).any(), "the red person is hidden at once"
        assert site.get("/api/v1/people").json()["people"][0]["identity"] == person, "and keeps their number"
        assert site.http.put("/api/v1/config/tracker.track_low_thresh", json={"value": 0.95}).status_code == 422


def test_a_signal_takes_up_changes_of_the_file(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        settled(site)
        site.file.write_text(site.file.read_text() + "events:\n  dwell: 3.0\n")
        reload_file(site.site, lambda: load_config(site.file, overrides={"server.dir": str(tmp_path / "site")}))
        known = {one["key"]: one for one in site.get("/api/v1/settings").json()["settings"]}
        assert known["events.dwell"]["running"] == 3.0


def test_what_follows_does_so_as_a_whole(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        settled(site)
        run = site.site.pipeline._run
        assert run is not None
        parts, told = run.parts, Trails()
        site.site.pipeline.add_sink(told)
        tracker = parts.multi.sessions["door"].tracker
        assert isinstance(tracker, DeepSort)
        parts.cameras.config = parts.cameras.config.model_copy(
            update={"run": parts.cameras.config.run.model_copy(update={"max_seconds": 1e9})}
        )
        parts.places["door"] = drawn = Places({}, {})
        parts.perception.detector.score_scale = 0.5  # type: ignore[attr-defined]

        pair = {"track_high_thresh": 0.05, "track_low_thresh": 0.02}
        lower = load_config(data={"tracker": pair})
        site.site.pipeline.change_settings(lower, ["tracker.track_high_thresh", "tracker.track_low_thresh"])
        assert (tracker.params.track_high_thresh, tracker.params.track_low_thresh) == (0.05, 0.02)
        assert parts.perception._min_score == pytest.approx(0.025)
        assert parts.cameras.config.tracker.track_high_thresh == 0.05
        assert parts.cameras.config.run.max_seconds == 1e9, "the registry's own end of the run stays"
        assert parts.places["door"] is drawn, "nothing else has changed"

        others = {"tracker": {"track_low_thresh": 0.3}, "identities": {"margin": 9.0}, "events": {"dwell": 99.0}}
        keys = ["identities.margin", "events.dwell", "tracker.track_low_thresh"]
        with pytest.raises(TrackerInputError, match="above track_high_thresh"):
            site.site.pipeline.change_settings(load_config(data=others), keys)
        service = parts.own.corrections._service
        assert isinstance(service, LocalIdentityService)
        assert service._associator.params.margin != 9.0, "nothing of it was taken up"
        assert parts.multi.events is not None
        assert parts.multi.events.places._settings.dwell != 99.0

        site.site.pipeline.change_settings(
            load_config(data={"output": {"trail": 0.5, "zones": False}}), ["output.trail", "output.zones"]
        )
        assert parts.places == {}
        assert wait_for(lambda: told.seconds == [0.5])


class Trails:
    """A sink that is told how long trails are."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def write(self, step: Step) -> None: ...

    def close(self) -> None: ...

    def set_trail(self, seconds: float) -> None:
        self.seconds.append(seconds)


def test_a_reload_holds_the_file_until_all_of_it_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path) as site:
        free = []

        def look(*given: Any) -> None:
            other = threading.Thread(target=lambda: free.append(site.site.changing.acquire(blocking=False)))
            other.start()
            other.join()
            take_up(*given)

        monkeypatch.setattr(reloading, "take_up", look)
        site.file.write_text(site.file.read_text() + "events:\n  dwell: 3.0\n")
        wanted = load_config(site.file)
        site.file.write_text("cameras: [")  # somebody writes meanwhile: what was read is what is followed
        reload_file(site.site, lambda: wanted)
        assert free == [False]
        assert site.site.config.events.dwell == 3.0


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_only_some_settings_change_while_tracks_are_followed() -> None:
    with pytest.raises(TrackerInputError, match="max_age cannot change"):
        DeepSort().tune(max_age=1.0)
    with pytest.raises(TrackerInputError, match="above track_high_thresh"):
        DeepSort().tune(track_low_thresh=0.9)
    with pytest.raises(TrackerInputError, match=r"identities\.gallery cannot change"):
        IdentityAssociator().tune(gallery=3)
    simple = IdentityAssociator(method="appearance")
    simple.tune(margin=1.0)
    assert simple.params.margin == 1.0
