"""A trace filter as SQL conditions over an allow-list of columns, its values as bound parameters.

Conditions that describe one call (name, operation, provider, model, prompt) must hold together on one span of
the trace. Conditions that describe the whole (service, environment, user, conversation, tag, text) may each
hold on any of its spans. Status, duration, cost and "unpriced" are those that the list shows for the trace.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from spanwise_collector.errors import BadRequest
from spanwise_collector.model import TraceFilter
from spanwise_collector.store.statements import statement

NANOSECONDS_A_MILLISECOND = 1_000_000
_LARGEST_AMOUNT = 10**12
_CALL_CONDITIONS = {
    "name": "name = {name:String}",
    "operation": "operation = {operation:String}",
    "provider": "provider = {provider:String}",
    "model": "model = {model:String}",
    "prompt_name": "prompt_name = {prompt_name:String}",
}
# Looked through in this order: the short ones first.
_TEXTS = (
    "name",
    "conversation_id",
    "user_id",
    "status_message",
    "input_text",
    "output_text",
    "tool_arguments",
    "tool_result",
    "input_messages",
    "output_messages",
    "documents",
)
_TRACE_CONDITIONS = {
    "service": "service = {service:String}",
    "environment": "environment = {environment:String}",
    "user_id": "user_id = {user_id:String}",
    "conversation_id": "conversation_id = {conversation_id:String}",
    "tag": "has(tags, {tag:String})",
    "q": "({})".format(
        " OR ".join(
            [
                "trace = lowerUTF8({q:String})",
                "span = lowerUTF8({q:String})",
                *(f"positionCaseInsensitiveUTF8({column}, {{q:String}}) > 0" for column in _TEXTS),
            ]
        )
    ),
}
# The status the list shows. Whether a parent is stored would need a second pass: a span without a parent's id
# comes first here, and then the earliest. The big number (2^62 ns) keeps the two kinds apart.
TRACE_STATUS = (
    "if(countIf(status = 'error') > 0, 'error', "
    "argMin(status, start_ns + if(parent_span_id = toFixedString('', 8), 0, 4611686018427387904)))"
)
_DURATION = "max(end_ns) - min(start_ns)"


@dataclass(slots=True)
class Conditions:
    """SQL fragments and the values they need."""

    bounds: list[str] = field(default_factory=list)
    """On spans, before they are grouped by trace."""
    groups: list[str] = field(default_factory=list)
    """On traces, after it."""
    parameters: dict[str, Any] = field(default_factory=dict)

    def bound_text(self) -> str:
        """Return the conditions on spans, each after an ``AND``."""
        return _all_of(self.bounds)

    def group_text(self) -> str:
        """Return the conditions on traces, each after an ``AND``."""
        return _all_of(self.groups)


def _all_of(conditions: Iterable[str]) -> str:
    return "".join(f" AND {condition}" for condition in conditions)


def conditions_of(where: TraceFilter) -> Conditions:
    """Translate everything but the time range, which differs between a page and a sum.

    Raises:
        BadRequest: A bound is not a number that a duration or a cost can have.
    """
    found = Conditions()
    call = [text for name, text in _CALL_CONDITIONS.items() if _is_given(where, name, found)]
    if call:
        found.groups.append(f"countIf({' AND '.join(call)}) > 0")
    for name, text in _TRACE_CONDITIONS.items():
        if _is_given(where, name, found):
            found.groups.append(f"countIf({text}) > 0")
    if _is_given(where, "score", found):
        found.bounds.append(f"trace_id IN ({statement('traces_with_score').text()})")
    if _is_given(where, "status", found):
        found.groups.append(f"{TRACE_STATUS} = {{status:String}}")
    if where.is_unpriced is not None:
        found.groups.append(f"countIf(is_unpriced) {'>' if where.is_unpriced else '='} 0")
    _add_amounts(where, found)
    return found


def population_of(where: TraceFilter) -> Conditions:
    """Translate a whole filter for a sum over its traces: all spans of the traces that began in its range."""
    found = conditions_of(where)
    if where.from_ns is not None:
        found.bounds += [
            "start >= fromUnixTimestamp64Nano({from:Int64}, 'UTC')",
            f"trace_id NOT IN ({_straddling('{from:Int64}')})",
        ]
        found.parameters["from"] = where.from_ns
    if where.to_ns is not None:
        found.bounds.append(began_before("{to:Int64}"))
        found.groups.append("min(start_ns) < {to:Int64}")
        found.parameters["to"] = where.to_ns
    return found


def began_before(edge: str) -> str:
    """Return the condition that keeps all spans, also later ones, of the traces that began before an edge."""
    return f"(start < fromUnixTimestamp64Nano({edge}, 'UTC') OR trace_id IN ({_straddling(edge)}))"


def _straddling(edge: str) -> str:
    return statement("straddling_traces").text(edge=edge)


def without(where: TraceFilter, name: str) -> TraceFilter:
    """Return the filter without one of its conditions."""
    return replace(where, **{name: None})


def members_of(where: TraceFilter, population: Conditions) -> str:
    """Return the condition that keeps the spans of matching traces; a time range alone needs none."""
    if is_timeless(where):
        return ""
    return f"AND trace_id IN ({matching_traces(population)})"


def matching_traces(population: Conditions) -> str:
    """Return the query for the ids of the traces of a population."""
    return statement("matching_traces").text(
        bounds=population.bound_text(), conditions=population.group_text()
    )


def is_timeless(where: TraceFilter) -> bool:
    """Whether a filter has no condition but its time range."""
    return all(
        getattr(where, item.name) in (None, "")
        for item in fields(where)
        if item.name not in ("from_ns", "to_ns")
    )


def _is_given(where: TraceFilter, name: str, found: Conditions) -> bool:
    value = getattr(where, name)
    if value is None or value == "":
        return False
    found.parameters[name] = value
    return True


def _add_amounts(where: TraceFilter, found: Conditions) -> None:
    if where.min_duration_ms is not None:
        found.groups.append(f"{_DURATION} >= {{min_duration:Int64}}")
        found.parameters["min_duration"] = _nanoseconds(
            "min_duration_ms", where.min_duration_ms, ROUND_CEILING
        )
    if where.max_duration_ms is not None:
        found.groups.append(f"{_DURATION} <= {{max_duration:Int64}}")
        found.parameters["max_duration"] = _nanoseconds("max_duration_ms", where.max_duration_ms, ROUND_FLOOR)
    if where.min_cost_usd is not None:
        # Compared as decimals: a float sum of 0.1 and 0.2 would miss 0.3.
        found.groups.append("sum(billed_cost_usd) >= {min_cost:Decimal(38, 12)}")
        found.parameters["min_cost"] = f"{_amount('min_cost_usd', where.min_cost_usd):.12f}"


def _nanoseconds(name: str, milliseconds: float, rounding: str) -> int:
    return int((_amount(name, milliseconds) * NANOSECONDS_A_MILLISECOND).to_integral_value(rounding))


def _amount(name: str, value: float) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite() or abs(amount) > _LARGEST_AMOUNT:
        raise BadRequest(f"{name} is {value}", fix=f"give a number of at most {_LARGEST_AMOUNT}")
    return amount
