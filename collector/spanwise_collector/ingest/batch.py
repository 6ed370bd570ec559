"""What decoding one request yields: its good spans, and how many were refused and why."""

from collections import Counter
from dataclasses import dataclass, field

from spanwise_collector.model import Span

MAX_EXAMPLES = 3
INVALID_TRACE_ID = "invalid_trace_id"
INVALID_SPAN_ID = "invalid_span_id"
UNREADABLE = "unreadable_span"
TOO_OLD = "before_retention"
TOO_NEW = "in_the_future"
POISON = "refused_by_the_store"


class Undecodable(ValueError):
    """The whole request cannot be read."""


@dataclass(slots=True)
class Batch:
    """The spans of one request, and what was refused."""

    spans: list[Span] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    """Refused spans by reason."""
    examples: list[str] = field(default_factory=list)
    """The first few refusals, for a person."""
    notes: list[str] = field(default_factory=list)
    """Warnings about spans that were kept."""

    def reject(self, reason: str, example: str) -> None:
        """Counts one refused span."""
        self.rejected[reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)

    @property
    def rejected_count(self) -> int:
        """Refused spans in total."""
        return sum(self.rejected.values())

    @property
    def message(self) -> str:
        """The text of the partial success; ``""`` when there is nothing to say."""
        parts = list(self.notes)
        if self.rejected:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.rejected.items()))
            parts.append(f"{self.rejected_count} spans refused ({reasons}): {'; '.join(self.examples)}")
        return " | ".join(parts)
