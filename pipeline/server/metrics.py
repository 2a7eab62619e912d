"""`/metrics` for Prometheus, gathered from the engine's snapshot at the moment of asking."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from relaytrack.pipeline.server.api.context import TheSite, Viewer
from relaytrack.pipeline.server.api.status import memory_in_use
from relaytrack.pipeline.server.site import Site

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(site: TheSite, _: Viewer) -> Response:
    """All figures."""
    registry = CollectorRegistry()
    registry.register(_SiteFigures(site))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _SiteFigures(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance: the figures are made when they are asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures."""
        snapshot, viewers = self._site.pipeline.status(), self._site.live.viewers()
        yield _gauge("up", "1 while the engine runs", float(snapshot.state == "running"))
        yield _gauge("people_present", "people in the cameras' last frames", len(snapshot.present))
        yield _counter("identities", "identities made", snapshot.identities)
        if snapshot.service is not None:
            yield _counter("identity_revisions", "identities corrected afterwards", snapshot.service.revisions)
        yield _counter("pictures_encoded", "pictures encoded for viewers", self._site.live.encoded)
        memory = memory_in_use()
        if memory is not None:
            yield _gauge("memory_bytes", "memory in use", memory)
        disk = shutil.disk_usage(self._site.folder)
        yield _gauge("disk_free_bytes", "free space where the site is kept", disk.free)
        cameras = snapshot.cameras.values()
        for name, text, attribute in (
            ("frames", "frames that came out of the run", "frames"),
            ("frames_dropped", "frames thrown away because a newer one was there", "dropped"),
            ("frames_broken", "packets that could not be decoded", "broken"),
            ("reconnects", "connections made anew", "reconnects"),
        ):
            counted = CounterMetricFamily(f"relaytrack_{name}", text, labels=["camera"])
            for camera in cameras:
                counted.add_metric([camera.name], getattr(camera, attribute))
            yield counted
        state = GaugeMetricFamily("relaytrack_camera_state", "1 for the present state", labels=["camera", "state"])
        rate = GaugeMetricFamily("relaytrack_frame_rate", "frames per second", labels=["camera"])
        age = GaugeMetricFamily(
            "relaytrack_frame_age_seconds", "from decoding to ids, last 5 s", labels=["camera", "quantile"]
        )
        waiting = GaugeMetricFamily("relaytrack_frames_waiting", "decoded frames that wait", labels=["camera"])
        looking = GaugeMetricFamily("relaytrack_viewers", "who looks", labels=["camera"])
        for camera in cameras:
            state.add_metric([camera.name, camera.state], 1.0)
            rate.add_metric([camera.name], camera.rate)
            waiting.add_metric([camera.name], camera.waiting)
            looking.add_metric([camera.name], viewers.get(camera.name, 0))
            for quantile, value in (("0.5", camera.age_p50), ("0.95", camera.age_p95), ("0.99", camera.age_p99)):
                if value is not None:
                    age.add_metric([camera.name, quantile], value)
        yield from (state, rate, age, waiting, looking)
        worked = CounterMetricFamily("relaytrack_stage_seconds", "time that a stage has worked", labels=["stage"])
        done = CounterMetricFamily("relaytrack_stage_items", "frames, crops or steps done", labels=["stage"])
        for stage, figures in snapshot.stages.items():
            worked.add_metric([stage], figures["seconds"])
            done.add_metric([stage], figures["count"])
        yield from (worked, done)
        queued = GaugeMetricFamily("relaytrack_sink_waiting", "steps that wait for a receiver", labels=["sink"])
        lost = CounterMetricFamily("relaytrack_sink_dropped", "steps that a receiver never got", labels=["sink"])
        spent = CounterMetricFamily("relaytrack_sink_seconds", "time spent in a receiver", labels=["sink"])
        for sink, status in snapshot.sinks.items():
            queued.add_metric([sink], status.waiting)
            lost.add_metric([sink], status.dropped)
            spent.add_metric([sink], status.seconds)
        yield from (queued, lost, spent)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"relaytrack_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"relaytrack_{name}", text, value=value)
