"""``/metrics``: what the appliance counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from edge.counters import CounterSnapshot
from edge.web.interfaces import ServedAppliance
from sync.outbox.outbox import REASONS, Counters

PREFIX = "visual_search_"


class Metrics(Collector):
    """Reads the appliance's counters for each scrape; it counts nothing itself."""

    def __init__(self, appliance: ServedAppliance) -> None:
        self._appliance = appliance
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def answer(self) -> Response:
        """Everything that is counted, as text."""
        return Response(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)

    def collect(self) -> Iterator[Metric]:
        """The metrics of one scrape."""
        counters = self._appliance.counters()
        online = self._appliance.camera().state == "online"
        yield _gauge("camera_up", "1 while pictures come from the camera.", online)
        yield from _recognition(counters)
        if counters.outbox is not None:
            yield from _outbox(counters.outbox)


def _recognition(counters: CounterSnapshot) -> Iterator[Metric]:
    yield _counter("frames", "Camera frames.", counters.frames)
    yield _counter("looks", "Frames that were analysed.", counters.analysed)
    sightings = CounterMetricFamily(
        PREFIX + "sightings", "Changed verdicts, by verdict.", labels=["verdict"]
    )
    for verdict, number in sorted(counters.sightings.items()):
        sightings.add_metric([verdict], number)
    yield sightings
    judgements = CounterMetricFamily(
        PREFIX + "judgements", "What staff said about sightings, by verdict.", labels=["verdict"]
    )
    for verdict, number in counters.judgements.items():
        judgements.add_metric([verdict], number)
    yield judgements
    yield _gauge(
        "foreign_share",
        "Share of foreign things that confidence is corrected to.",
        counters.foreign_share,
    )
    stages = SummaryMetricFamily(
        PREFIX + "stage_seconds", "Time spent on analysed frames, by stage.", labels=["stage"]
    )
    for stage, ms in counters.stage_ms.items():
        counted = sum(counters.sightings.values()) if stage == "show" else counters.analysed
        stages.add_metric([stage], count_value=counted, sum_value=ms / 1000)
    yield stages


def _outbox(outbox: Counters) -> Iterator[Metric]:
    yield _gauge("outbox_length", "Events that wait to be sent.", outbox.length)
    yield _gauge("outbox_bytes", "Bytes of the events that wait to be sent.", outbox.bytes)
    yield _gauge("outbox_waiting", "Events that are not on the disk yet.", outbox.waiting)
    if outbox.oldest_s is not None:
        yield _gauge(
            "outbox_oldest_seconds",
            "Age of the oldest event that waits to be sent.",
            outbox.oldest_s,
        )
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
