"""One request's bytes to spans that are ready to store: decode, check times, normalise, price, scrub."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from spanwise import semconv
from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest.batch import Batch
from spanwise_collector.ingest.cost import Pricer
from spanwise_collector.ingest.normalise import normalise
from spanwise_collector.ingest.repetition import unbill_repetitions
from spanwise_collector.ingest.sampling import sample_weight
from spanwise_collector.ingest.scores import scores_of_events, scrub_scores
from spanwise_collector.ingest.scrub import scrub_spans
from spanwise_collector.ingest.vectors import take_vectors, vectors_of
from spanwise_collector.model import AnyValue, Score, Span

_log = logging.getLogger(__name__)
_DAY_NS = 86_400 * 1_000_000_000
Resource = tuple[str, str, str]
"""Service, version, environment."""


@dataclass(slots=True)
class Pipeline:
    """The steps between a decoder and the store. Holds no state of requests; safe in several threads."""

    pricer: Pricer
    retention_days: int
    scrub: Callable[[str], str] | None = None
    """Replaces secrets in text; ``None`` leaves content as it was sent."""
    clock_ns: Callable[[], int] = time.time_ns

    def process(self, batch: Batch) -> Batch:
        """Fills every span of ``batch`` in place and takes out those of an impossible time."""
        now_ns = self.clock_ns()
        oldest_ns, newest_ns = now_ns - self.retention_days * _DAY_NS, now_ns + _DAY_NS
        resources: dict[int, Resource] = {}
        kept: list[Span] = []
        with_vectors: list[tuple[Span, list[AnyValue]]] = []
        for span in batch.spans:
            if not span.start_ns:
                span.start_ns = span.end_ns or now_ns
                span.warnings.append("start_time_missing")
            if not oldest_ns <= span.start_ns <= newest_ns:
                self._refuse(batch, span, now_ns)
                continue
            if taken := take_vectors(span):
                with_vectors.append((span, taken))
            try:
                self._complete(span, now_ns, resources)
            except Exception as error:  # noqa: BLE001 (told to the sender and logged with its trace)
                # A fault of ours must not cost the sender the other spans, nor make it retry for ever.
                _log.exception("span %s of trace %s cannot be normalised", span.span_id, span.trace_id)
                batch.reject(refusals.UNREADABLE, f"span {span.span_id}: {type(error).__name__}")
            else:
                kept.append(span)
        unbill_repetitions(kept)
        if self.scrub is not None:
            scrub_spans(kept, self.scrub)
        batch.spans = kept
        batch.vectors = [vector for span, taken in with_vectors for vector in vectors_of(span, taken)]
        batch.scores += [score for span in kept if span.events for score in scores_of_events(span)]
        if batch.scores:
            self._process_scores(batch, now_ns)
        return batch

    def _process_scores(self, batch: Batch, now_ns: int) -> None:
        """Completes the scores of a batch in place and takes out those of an impossible time."""
        kept: list[Score] = []
        for score in batch.scores:
            score.received_ns = now_ns
            score.time_ns = score.time_ns or now_ns
            if (reason := self._impossible(score.time_ns, now_ns)) is None:
                kept.append(score)
            else:
                batch.reject(reason, f"score {score.name!r} of trace {score.trace_id}")
        if self.scrub is not None:
            scrub_scores(kept, self.scrub)
        batch.scores = kept

    def _impossible(self, time_ns: int, now_ns: int) -> str | None:
        """Returns why a time cannot be stored, ``None`` when it can."""
        if time_ns > now_ns + _DAY_NS:
            return refusals.TOO_NEW
        return refusals.TOO_OLD if time_ns < now_ns - self.retention_days * _DAY_NS else None

    def _complete(self, span: Span, now_ns: int, resources: dict[int, Resource]) -> None:
        span.received_ns = now_ns
        known = resources.get(id(span.resource))
        if known is None:
            known = resources[id(span.resource)] = _read_resource(span.resource)
        span.service, span.service_version, span.environment = known
        found = normalise(span)
        if span.trace_state:
            span.sample_weight = sample_weight(span.trace_state)
        self.pricer.price(span, found)

    def _refuse(self, batch: Batch, span: Span, now_ns: int) -> None:
        days = abs(now_ns - span.start_ns) / _DAY_NS
        if span.start_ns < now_ns:
            batch.reject(
                refusals.TOO_OLD,
                f"span {span.span_id} started {days:.1f} days ago, retention is {self.retention_days} days",
            )
        else:
            batch.reject(
                refusals.TOO_NEW,
                f"span {span.span_id} starts {days:.1f} days from now: check the sender's clock",
            )


def _read_resource(resource: dict[str, AnyValue]) -> Resource:
    environment = resource.get(semconv.DEPLOYMENT_ENVIRONMENT) or resource.get("deployment.environment")
    service = resource.get(semconv.SERVICE_NAME) or resource.get("openinference.project.name")
    return _text(service), _text(resource.get(semconv.SERVICE_VERSION)), _text(environment)


def _text(value: AnyValue) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
