"""``/metrics``: what the appliance counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from edge.counters import Figures
from edge.web.device import Device
from sync.outbox.outbox import REASONS, Counters

PREFIX = "visual_search_"


class Metrics(Collector):
    """Asks the device anew for each scrape; nothing is counted twice."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def add_to(self, app: Flask) -> None:
        """Serve the route."""
        app.add_url_rule("/metrics", view_func=self.metrics)

    def metrics(self) -> Response:
        """Everything that is counted, as text."""
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)

    def collect(self) -> Iterator[Metric]:
        """The metrics of one scrape."""
        figures = self._device.figures()
        online = self._device.camera().state == "online"
        yield _gauge("camera_up", "1 while pictures come from the camera.", online)
        yield from _recognition(figures)
        if figures.outbox is not None:
            yield from _outbox(figures.outbox)


def _recognition(figures: Figures) -> Iterator[Metric]:
    yield _counter("frames", "Camera frames.", figures.frames)
    yield _counter("looks", "Frames that were looked at.", figures.looks)
    sightings = CounterMetricFamily(
        PREFIX + "sightings", "Changed verdicts, by verdict.", labels=["verdict"]
    )
    for verdict, number in sorted(figures.sightings.items()):
        sightings.add_metric([verdict], number)
    yield sightings
    stages = SummaryMetricFamily(
        PREFIX + "stage_seconds", "Time spent on looks, by stage.", labels=["stage"]
    )
    for stage, ms in figures.stage_ms.items():
        counted = sum(figures.sightings.values()) if stage == "show" else figures.looks
        stages.add_metric([stage], count_value=counted, sum_value=ms / 1000)
    yield stages


def _outbox(outbox: Counters) -> Iterator[Metric]:
    yield _gauge("outbox_length", "Events that wait to be sent.", outbox.length)
    yield _gauge("outbox_bytes", "Their bytes.", outbox.bytes)
    yield _gauge("outbox_waiting", "Events on their way to the disk.", outbox.waiting)
    if outbox.oldest_s is not None:
        yield _gauge("outbox_oldest_seconds", "Age of the oldest of them.", outbox.oldest_s)
    yield _counter("outbox_sent", "Messages handed to a transport.", outbox.sent)
    yield _counter(
        "outbox_acknowledged", "Events that the other side has taken.", outbox.acknowledged
    )
    dropped = CounterMetricFamily(
        PREFIX + "outbox_dropped", "Events that will never be sent, by reason.", labels=["reason"]
    )
    for reason in REASONS:
        dropped.add_metric([reason], outbox.dropped.get(reason, 0))
    yield dropped
    yield _counter("outbox_offline_seconds", "Time without a connection.", outbox.offline_s)
    yield SummaryMetricFamily(
        PREFIX + "publish_seconds",
        "Time from sending to acknowledgement.",
        count_value=outbox.latencies,
        sum_value=outbox.latency_s,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, text, value=value)
