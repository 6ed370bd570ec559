"""Evaluation events to scores, whichever signal carried them: log records, or events of spans.

Source: OpenTelemetry GenAI semantic conventions 1.41.1, event ``gen_ai.evaluation.result``.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from spanwise import semconv
from spanwise_collector.ingest import batch as refusals
from spanwise_collector.ingest.batch import Batch
from spanwise_collector.model import AnyValue, Score, Span

NUMBER, BOOLEAN, CATEGORY = "number", "boolean", "category"
KINDS = (NUMBER, BOOLEAN, CATEGORY)
MAX_NAME_CHARS = 256
MAX_COMMENT_CHARS = 65_536
_EVENT_NAME = "event.name"
"""Where SDKs put the name before log records had a field for it."""
_PROMOTED = frozenset(
    {
        semconv.EVALUATION_NAME,
        semconv.EVALUATION_VALUE,
        semconv.EVALUATION_LABEL,
        semconv.EVALUATION_EXPLANATION,
        semconv.SCORE_KIND,
        semconv.SCORE_ID,
        semconv.USER_ID,
        _EVENT_NAME,
    }
)


class Unusable(ValueError):
    """An evaluation that says nothing that could be stored; the message says why."""


@dataclass(slots=True)
class LogRecord:
    """As much of an OTLP log record as evaluations need."""

    event_name: str
    trace_id: str
    span_id: str
    time_ns: int
    attributes: dict[str, AnyValue]
    scope_name: str = ""
    resource: dict[str, AnyValue] | None = None

    @property
    def is_evaluation(self) -> bool:
        """True for the events that this collector takes."""
        return (self.event_name or self.attributes.get(_EVENT_NAME)) == semconv.EVALUATION_EVENT


def add_record(record: LogRecord, project_id: str, result: Batch) -> None:
    """Adds a record's score to a batch, or counts why there is none."""
    if not record.is_evaluation:
        name = record.event_name or record.attributes.get(_EVENT_NAME) or "without a name"
        result.reject(
            refusals.NOT_A_SCORE, f"record {name!r:.80}: only {semconv.EVALUATION_EVENT} events are stored"
        )
        return
    try:
        result.scores.append(score_of(record, project_id))
    except Unusable as error:
        result.reject(refusals.UNUSABLE_SCORE, str(error))


def scores_of_events(span: Span) -> list[Score]:
    """Returns the scores among a span's events; those that cannot be used become warnings of the span."""
    found: list[Score] = []
    for event in span.events:
        if event.name != semconv.EVALUATION_EVENT:
            continue
        record = LogRecord(
            event.name,
            span.trace_id,
            span.span_id,
            event.time_ns or span.end_ns,
            event.attributes,
            span.scope_name,
            span.resource,
        )
        try:
            found.append(score_of(record, span.project_id))
        except Unusable:
            span.warnings.append("evaluation_unusable")
    return found


def score_of(record: LogRecord, project_id: str) -> Score:
    """Returns the score of an evaluation event.

    Raises:
        Unusable: It names no trace, or says nothing.
    """
    held = record.attributes
    name = _text(held.get(semconv.EVALUATION_NAME)).strip()
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise Unusable(
            f"{semconv.EVALUATION_NAME} must have 1 to {MAX_NAME_CHARS} characters, not {len(name)}"
        )
    if not record.trace_id:
        raise Unusable(f"evaluation {name!r} names no trace: emit it in the context of the evaluated span")
    kind, value, label = read_value(
        held.get(semconv.EVALUATION_VALUE),
        _text(held.get(semconv.EVALUATION_LABEL)),
        _text(held.get(semconv.SCORE_KIND)),
    )
    resource = record.resource or {}
    return finished(
        Score(
            project_id=project_id,
            trace_id=record.trace_id,
            span_id=record.span_id,
            name=name,
            score_id=_text(held.get(semconv.SCORE_ID)),
            time_ns=record.time_ns,
            kind=kind,
            value=value,
            label=label,
            comment=_text(held.get(semconv.EVALUATION_EXPLANATION))[:MAX_COMMENT_CHARS],
            source=record.scope_name,
            user_id=_text(held.get(semconv.USER_ID)),
            service=_text(resource.get(semconv.SERVICE_NAME)),
            environment=_text(
                resource.get(semconv.DEPLOYMENT_ENVIRONMENT) or resource.get("deployment.environment")
            ),
            attributes={key: item for key, item in held.items() if key not in _PROMOTED},
        )
    )


def read_value(value: AnyValue, label: str, kind: str = "") -> tuple[str, float | None, str]:
    """Returns kind, number and word of a judgement as its sender gave it.

    Raises:
        Unusable: There is neither a finite number nor a word.
    """
    number: float | None = None
    if isinstance(value, bool):
        kind, number = kind or BOOLEAN, float(value)
        label = label or ("true" if value else "false")
    elif isinstance(value, (int, float)):
        number = float(value)
    elif isinstance(value, str) and value.strip():
        number = _number(value)
        label = label if number is not None else label or value.strip()
    if number is not None and not math.isfinite(number):
        raise Unusable(f"a score's value is {number}, not a finite number")
    if number is None and not label:
        raise Unusable("a score needs a number, a truth value or a word")
    kind = kind if kind in KINDS else NUMBER
    return (kind if number is not None else CATEGORY), number, label[:MAX_NAME_CHARS]


def finished(score: Score) -> Score:
    """Returns a score with an id: the same score sent again gets the same one."""
    if not score.score_id:
        said = (score.time_ns, score.source, score.value, score.label, score.comment, score.attributes)
        text = repr(said).encode("utf-8", "replace")
        score.score_id = hashlib.blake2b(text, digest_size=16).hexdigest()
    return score


def scrub_scores(scores: list[Score], scrub: Callable[[str], str]) -> None:
    """Replaces secrets in what people wrote; in place."""
    for score in scores:
        score.comment = scrub(score.comment)
        score.label = scrub(score.label)
        for key, value in score.attributes.items():
            if isinstance(value, str):
                score.attributes[key] = scrub(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _text(value: AnyValue) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
