"""`/metrics`, and the dashboard in docs/ that shows them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.sites import Served
from tests.support.world import wait_for

DASHBOARD = Path(__file__).resolve().parents[3] / "docs" / "grafana.json"
OF_PROMETHEUS = {"job", "instance"}


@pytest.fixture(scope="module")
def figures(site: Served) -> dict[str, set[str]]:
    """The names of all samples, each with its labels."""
    assert wait_for(lambda: site.get("/api/v1/cameras/door").json()["age_p95_ms"])
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(site.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_all_that_matters_is_counted(site: Served, figures: dict[str, set[str]]) -> None:
    labelled = {name for name, labels in figures.items() if "camera" in labels}
    assert {
        f"relaytrack_{name}" for name in ("frames_total", "frames_dropped_total", "frames_broken_total")
    } <= labelled
    assert {f"relaytrack_{name}" for name in ("reconnects_total", "viewers", "frames_waiting")} <= labelled
    ages = re.findall(r'relaytrack_frame_age_seconds\{camera="door",quantile="([0-9.]+)"\}', site.get("/metrics").text)
    assert ages == ["0.5", "0.95", "0.99"]
    stages = re.findall(r'relaytrack_stage_seconds_total\{stage="(\w+)"\} ([0-9.e-]+)', site.get("/metrics").text)
    assert {name for name, seconds in stages if float(seconds) > 0} >= {"networks", "track", "write", "detect", "embed"}
    assert figures["relaytrack_stage_items_total"] == {"stage"}
    for name in ("up", "people_present", "identities_total", "identity_revisions_total", "disk_free_bytes"):
        assert f"relaytrack_{name}" in figures


def test_every_query_of_the_dashboard_has_figures(figures: dict[str, set[str]]) -> None:
    content: dict[str, Any] = json.loads(DASHBOARD.read_text())
    queries = [(target["expr"], target["legendFormat"]) for panel in content["panels"] for target in panel["targets"]]
    assert len(queries) >= 15
    shown: set[str] = set()
    for query, legend in queries:
        assert query.count("(") == query.count(")"), query
        names = re.findall(r"relaytrack_\w+", query)
        assert names, query
        for name in names:
            assert name in figures, query
            grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
            selected = set(re.findall(r"(\w+)[!=]=?~?\"", query))
            assert grouped | selected <= figures[name] | OF_PROMETHEUS, query
            assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= grouped, "the legend names what the query keeps"
            assert ("rate(" in query or "increase(" in query) == name.endswith("_total"), query
        shown |= set(names)
    assert shown == set(figures) - {"relaytrack_frame_rate", "relaytrack_stage_items_total"}, "nothing else is left out"


def test_the_dashboards_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
