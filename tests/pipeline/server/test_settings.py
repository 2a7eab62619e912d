"""Settings changed in the page: written with comments kept, some at once, and two admins at once."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.support.sites import served


def test_settings_are_written_and_the_name_holds_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as site:
        known = {one["key"]: one for one in site.get("/api/v1/settings").json()["settings"]}
        assert known["events.dwell"]["value"] == 10.0
        assert (known["output.zones"]["kind"], known["output.anonymise"]["kind"]) == ("switch", "choice")
        put = site.http.put("/api/v1/config/server.name", json={"value": "Harbour", "before": "RelayTrack"})
        assert put.json()["holds"] == "at once"
        assert "Harbour" in site.get("/").text
        late = site.http.put("/api/v1/config/events.dwell", json={"value": 4.5, "before": 10.0})
        assert late.json()["holds"] == "after the next start"
        text = site.file.read_text()
        assert "# where people come in" in text
        assert yaml.safe_load(text)["events"]["dwell"] == 4.5
        again = site.http.put("/api/v1/config/events.dwell", json={"value": 7, "before": 10.0})
        assert (again.status_code, again.json()["field"]) == (409, "before")
        assert site.http.put("/api/v1/config/events.dwell", json={"value": -1}).json()["field"] == "value"
        for key in ("server.host", "output.dir", "sinks", "nothing"):
            assert site.http.put(f"/api/v1/config/{key}", json={"value": "x"}).status_code == 422
