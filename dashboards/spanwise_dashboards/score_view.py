"""Scores as the trace page shows them: on the trace, and on the span that was judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from spanwise_collector.model import Score
from spanwise_dashboards import format as fmt
from spanwise_dashboards.text import Passage, passage, plain

MAX_PILLS = 12


@dataclass(frozen=True)
class ScoreView:
    """One score."""

    name: str
    value: str
    label: str
    """A word beside the value; empty when the value is the word."""
    width: float | None
    """Percent of a bar for a number from 0 to 1, else ``None``."""
    comment: Passage | None
    by: str
    """Who or what judged."""
    time_ns: int
    span_id: str
    href: str
    """The judged span, or the trace."""


def view_scores(scores: Sequence[Score]) -> list[ScoreView]:
    """Returns the views of a trace's scores, in the order given."""
    return [_view(score) for score in scores]


def scores_of(views: Sequence[ScoreView], span_id: str, *, is_root: bool) -> list[ScoreView]:
    """Returns the scores that a span's panel shows: its own, and those of the whole trace on its root."""
    return [view for view in views if view.span_id == span_id or (is_root and not view.span_id)]


def _view(score: Score) -> ScoreView:
    value, label = _words(score)
    is_share = score.kind == "number" and score.value is not None and 0 <= score.value <= 1
    by = (f"user {score.user_id}" if score.user_id else "", score.source)
    return ScoreView(
        name=plain(score.name, 80),
        value=plain(value, 80),
        label=plain(label, 80),
        width=round(100 * (score.value or 0.0), 1) if is_share else None,
        comment=passage(score.comment) if score.comment else None,
        by=plain(", ".join(part for part in by if part), 120),
        time_ns=score.time_ns,
        span_id=score.span_id,
        href=f"/traces/{score.trace_id}" + (f"?span={score.span_id}" if score.span_id else ""),
    )


def _words(score: Score) -> tuple[str, str]:
    """Returns the value and the word beside it."""
    if score.value is None:
        return score.label, ""
    if score.kind == "boolean":
        word = "true" if score.value else "false"
        return word, "" if score.label == word else score.label
    return f"{score.value:.4g}".replace("-", fmt.MINUS, 1), score.label
