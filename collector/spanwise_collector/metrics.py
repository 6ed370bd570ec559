"""The collector's own numbers, in Prometheus' format; one registry an app, so that tests share none."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one running collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter(
            "spanwise_spans_accepted", "Spans stored and acknowledged.", registry=self.registry
        )
        self.rejected = Counter(
            "spanwise_spans_rejected", "Spans refused for good.", ["reason"], registry=self.registry
        )
        self.scores = Counter(
            "spanwise_scores_accepted", "Scores stored and acknowledged.", registry=self.registry
        )
        self.batches = Counter("spanwise_insert_batches", "Inserts committed.", registry=self.registry)
        self.bisections = Counter(
            "spanwise_insert_bisections", "Groups halved to find a bad span.", registry=self.registry
        )
        self.insert_seconds = Histogram(
            "spanwise_insert_seconds", "Time of one insert.", buckets=_SECONDS, registry=self.registry
        )
        self.queue_bytes = Gauge(
            "spanwise_queue_bytes", "Bytes of requests that are not answered yet.", registry=self.registry
        )
        self.received_bytes = Counter(
            "spanwise_otlp_received_bytes", "Bytes of OTLP bodies, as received.", registry=self.registry
        )
        self.requests = Counter(
            "spanwise_http_requests", "Answers by area and status.", ["area", "code"], registry=self.registry
        )

    def expose(self) -> bytes:
        """Returns everything as text for a scrape."""
        return generate_latest(self.registry)
