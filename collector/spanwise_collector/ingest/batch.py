"""What decoding one request yields: its good spans, and how many were refused and why."""

from collections import Counter
from dataclasses import dataclass, field

from spanwise_collector.model import Score, Span, Vector

MAX_EXAMPLES = 3
INVALID_TRACE_ID = "invalid_trace_id"
INVALID_SPAN_ID = "invalid_span_id"
UNREADABLE = "unreadable_span"
TOO_OLD = "before_retention"
TOO_NEW = "in_the_future"
POISON = "refused_by_the_store"
NOT_A_SCORE = "not_an_evaluation_event"
UNUSABLE_SCORE = "unusable_score"


class Undecodable(ValueError):
    """The whole request cannot be read."""


@dataclass(slots=True)
class Batch:
    """What is good of one request, and what was refused."""

    spans: list[Span] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    """Of a request for logs; also of spans that carry evaluations as events."""
    vectors: list[Vector] = field(default_factory=list)
    """Taken out of spans of embeddings calls."""
    noun: str = "spans"
    """What the request is made of."""
    rejected: Counter[str] = field(default_factory=Counter)
    """How many were refused, by reason."""
    examples: list[str] = field(default_factory=list)
    """The first few refusals, for a person."""
    notes: list[str] = field(default_factory=list)
    """Warnings about what was kept."""

    def reject(self, reason: str, example: str) -> None:
        """Counts one that was refused."""
        self.rejected[reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    @property
    def rejected_count(self) -> int:
        """How many were refused in total."""
        return sum(self.rejected.values())

    @property
    def message(self) -> str:
        """The text of the partial success; ``""`` when there is nothing to say."""
        parts = list(self.notes)
        if self.rejected:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items()))
            parts.append(f"{self.rejected_count} {self.noun} refused ({reasons}): {'; '.join(self.examples)}")
        return " | ".join(parts)
